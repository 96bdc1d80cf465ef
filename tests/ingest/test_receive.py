"""Messages out of bytes, however the network cuts them: held against frames that are written here by hand (RFC 6455 §5.2)."""

import asyncio
import base64
import hashlib
import random
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from ingest.receive import LARGE_FRAME_BYTES, RECEIVE_QUEUE, FrameStream

TEXT, BINARY, CONTINUATION, CLOSE, PING = 0x1, 0x2, 0x0, 0x8, 0x9
Writer = asyncio.StreamWriter


def wire(payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
    """One unmasked frame."""
    head = (0x80 if fin else 0) | opcode
    if len(payload) < 126:
        return struct.pack("!BB", head, len(payload)) + payload
    if len(payload) < 1 << 16:
        return struct.pack("!BBH", head, 126, len(payload)) + payload
    return struct.pack("!BBQ", head, 127, len(payload)) + payload


@asynccontextmanager
async def raw_host(pieces: list[bytes], *, answer: bytes | None = None) -> AsyncIterator[str]:
    """A host that shakes hands (the first piece comes in one write with that), then writes `pieces` as they are."""

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        accept = hashlib.sha1(key.split(b":")[1].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        head = answer or (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(accept) + b"\r\n\r\n"
        )
        first, *others = pieces or [b""]
        writer.write(head + first)
        for piece in others:
            await writer.drain()
            # Lets the client read what is there, so that the next piece comes by itself.
            await asyncio.sleep(0)
            writer.write(piece)
        await writer.drain()
        # Half-closed and read to the end: a close with pongs unread would throw away what the client has not read.
        writer.write_eof()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def received(url: str) -> tuple[list[bytes], ConnectionClosed]:
    """Every message, and how the connection ended."""
    connection = await connect(url, create_connection=FrameStream, compression=None, max_size=1 << 24)
    assert isinstance(connection, FrameStream)
    messages: list[bytes] = []
    try:
        while True:
            messages += await connection.take()
    except ConnectionClosed as error:
        return messages, error


async def received_from(pieces: list[bytes]) -> tuple[list[bytes], ConnectionClosed]:
    """The same, from a host that sends `pieces`."""
    async with raw_host(pieces) as url, asyncio.timeout(30):
        return await received(url)


def cut(stream: bytes, size: Callable[[], int]) -> list[bytes]:
    pieces, position = [], 0
    while position < len(stream):
        length = size()
        pieces.append(stream[position : position + length])
        position += length
    return pieces


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(12))
async def test_every_message_comes_whole_and_in_order_however_the_stream_is_cut(seed: int) -> None:
    rng = random.Random(seed)
    stream, expected = b"", []
    for number in range(rng.randrange(20, 60)):
        length = rng.choice((0, 1, 125, 126, 127, 500, 65_535, 65_536, rng.randrange(2000)))
        payload = (b"%d:" % number + bytes([rng.randrange(256)]) * length)[:length]
        kind = rng.random()
        if kind < 0.2:
            third = length // 3
            stream += wire(payload[:third], rng.choice((TEXT, BINARY)), fin=False) + wire(b"ping", PING)
            stream += wire(payload[third : 2 * third], CONTINUATION, fin=False)
            stream += wire(payload[2 * third :], CONTINUATION)
        else:
            stream += wire(payload, rng.choice((TEXT, BINARY)))
        expected.append(payload)
        if kind > 0.8:
            stream += wire(b"are you there", PING)
    stream += wire(struct.pack("!H", 1000) + b"bye", CLOSE)
    # Few bytes at a time only where there are few: every piece is a read of its own.
    largest = rng.choice((len(stream) // 3000 + 3, 2000, 300_000))

    messages, end = await received_from(cut(stream, lambda: rng.randrange(1, largest + 1)))

    assert messages == expected
    assert end.rcvd is not None
    assert end.rcvd.code == 1000


@pytest.mark.anyio
@pytest.mark.parametrize("length", [LARGE_FRAME_BYTES - 1, LARGE_FRAME_BYTES, 3 * LARGE_FRAME_BYTES])
async def test_a_large_message_between_small_ones(length: int) -> None:
    payload = bytes(range(256)) * (length // 256) + b"x" * (length % 256)
    messages, _ = await received_from(cut(wire(b"before") + wire(payload) + wire(b"after"), lambda: 100_003))
    assert messages == [b"before", payload, b"after"]


@pytest.mark.anyio
async def test_what_came_before_a_connection_breaks_in_the_middle_of_a_frame_is_there() -> None:
    for missing in (1, 400, 501, 503):
        messages, end = await received_from([wire(b"a" * 300), (wire(b"whole") + wire(b"b" * 500))[:-missing]])
        assert messages == [b"a" * 300, b"whole"]
        assert isinstance(end, ConnectionClosedError)
        assert end.rcvd is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (b"\x81\x85masked", 1002),  # a host must not mask
        (b"\xc1\x05hello", 1002),  # RSV1 without an extension
        (b"\x83\x05hello", 1002),  # no such opcode
        (wire(b"part", TEXT, fin=False) + wire(b"another"), 1002),
        (b"\x81\x7f" + struct.pack("!Q", 1 << 40), 1009),  # larger than is accepted
    ],
    ids=["masked", "RSV1", "unknown opcode", "unfinished", "too large"],
)
async def test_a_host_that_breaks_the_protocol_is_told_so_and_what_came_before_is_kept(
    broken: bytes, code: int
) -> None:
    messages, end = await received_from([wire(b"good") + broken + wire(b"never") * 3])
    assert messages == [b"good"]
    assert end.sent is not None
    assert end.sent.code == code


@pytest.mark.anyio
async def test_an_answer_that_is_no_upgrade_reaches_the_caller_with_its_body() -> None:
    answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 26\r\n\r\n"

    async with raw_host([b'{"error":"', b'CursorTooOld"}  '], answer=answer) as url, asyncio.timeout(30):
        with pytest.raises(InvalidStatus) as refused:
            await received(url)
        assert refused.value.response.status_code == 400
        assert refused.value.response.body == b'{"error":"CursorTooOld"}  '


@pytest.mark.anyio
async def test_a_reader_that_does_not_take_stops_the_socket_and_gets_everything_later() -> None:
    count = 10 * RECEIVE_QUEUE

    pieces = [wire(b"%0500d" % number) for number in range(count)]
    async with raw_host([b"".join(pieces[start : start + 64]) for start in range(0, count, 64)]) as url:
        connection = await connect(url, create_connection=FrameStream, compression=None)
        assert isinstance(connection, FrameStream)
        async with asyncio.timeout(60):
            while connection.transport.is_reading():
                await asyncio.sleep(0)
        assert RECEIVE_QUEUE <= len(connection._gathered) < 2 * RECEIVE_QUEUE
        messages: list[bytes] = []
        async with asyncio.timeout(60):
            while len(messages) < count:
                messages += await connection.take()
        assert messages == [b"%0500d" % number for number in range(count)]
        await connection.close()
