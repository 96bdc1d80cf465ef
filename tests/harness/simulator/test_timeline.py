"""The timeline and its readers, without a network."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest

from harness.simulator.blocks import BLOCK_BYTES, Block, websocket_frame
from harness.simulator.events import Event
from harness.simulator.reader import Chunk, Reader
from harness.simulator.storage import BlockStore
from harness.simulator.subscription import Subscription
from harness.simulator.timeline import Timeline
from tests.support.simulator import TIMEOUT_SECONDS

COLLECTIONS = ["app.bsky.feed.like", "app.bsky.feed.post", ""]


def make_events(count: int, first: int = 0) -> list[Event]:
    return [
        Event(
            b'{"n":%d,"x":"%s"}' % (number, b"x" * 300), number * 10, COLLECTIONS[number % 3], f"did:{number % 7}", ""
        )
        for number in range(first, first + count)
    ]


def frames_of(wire: bytes) -> list[bytes]:
    """Payloads of websocket frames, read as RFC 6455 says."""
    found, position = [], 0
    while position < len(wire):
        assert wire[position] == 0x81
        length, position = wire[position + 1], position + 2
        for marker, width in ((126, 2), (127, 8)):
            if length == marker:
                length, position = int.from_bytes(wire[position : position + width]), position + width
                break
        found.append(wire[position : position + length])
        position += length
    return found


async def read(chunks: AsyncGenerator[Chunk, None], count: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < count:
        found += frames_of(bytes(await anext(chunks)))
    assert len(found) == count
    return found


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000])
def test_websocket_frames(length: int) -> None:
    payload = b"x" * length
    assert frames_of(websocket_frame(payload) + websocket_frame(b"next")) == [payload, b"next"]


def test_blocks_are_unpacked_as_they_were_packed() -> None:
    block = Block()
    for number, payload in enumerate([b"a", b"", b"c" * 200]):
        block.wire = bytearray(block.wire) + websocket_frame(payload)
        block.ends.append(len(block.wire))
        block.times.append(-number)
        block.collections.append(number)
        block.dids.append(100 + number)
    again = Block.unpack(block.pack())
    assert bytes(again.wire) == bytes(block.wire)
    assert (again.ends, again.times, again.collections, again.dids) == (
        block.ends,
        block.times,
        block.collections,
        block.dids,
    )


@pytest.mark.anyio
async def test_replay_goes_over_into_live_without_a_gap_or_a_duplicate() -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        timeline, events = Timeline(1 << 30), make_events(5000)
        timeline.extend(events[:1700])
        timeline.go_live()
        readers = [Reader(timeline, Subscription(cursor=0)).chunks() for _ in range(3)]
        expected = [event.frame for event in events]
        got: list[list[bytes]] = [[], [], []]
        rng, grown = random.Random(1), 1700
        while grown < 5000 or any(len(frames) < 5000 for frames in got):
            turn = rng.randrange(3)
            if rng.random() < 0.5 and grown < 5000:
                step = min(rng.randrange(1, 90), 5000 - grown)
                timeline.extend(events[grown : grown + step])
                grown += step
            elif len(got[turn]) < grown:
                got[turn] += frames_of(bytes(await anext(readers[turn])))
        assert got == [expected] * 3
        for chunks in readers:
            await chunks.aclose()
        timeline.close()


@pytest.mark.anyio
async def test_a_cursor_selects_by_time_up_to_the_seam_and_everything_after_it() -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        timeline, events = Timeline(1 << 30), make_events(2000)
        # Neighbours are out of order: every tenth is late by much.
        events = [event._replace(time_us=event.time_us - (700 if n % 10 == 0 else 0)) for n, event in enumerate(events)]
        timeline.extend(events[:1300])
        timeline.go_live()
        async with aclosing(Reader(timeline, Subscription(cursor=11_000)).chunks()) as chunks:
            timeline.extend(events[1300:])
            expected = [event.frame for n, event in enumerate(events) if event.time_us >= 11_000 or n >= 1300]
            assert await read(chunks, len(expected)) == expected
        timeline.close()


@pytest.mark.parametrize("cursor", [None, 10**18])
@pytest.mark.anyio
async def test_live_only_begins_where_the_subscriber_came(cursor: int | None) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        timeline, events = Timeline(1 << 30), make_events(1500)
        early = Reader(timeline, Subscription(cursor=cursor)).chunks()
        timeline.extend(events[:600])
        first = asyncio.ensure_future(anext(early))
        await asyncio.sleep(0)
        timeline.go_live()
        late = Reader(timeline, Subscription(cursor=cursor)).chunks()
        timeline.extend(events[600:700])
        assert frames_of(bytes(await first)) == [event.frame for event in events[600:700]]
        # The block that holds the seam is complete by the time that this one reads it.
        timeline.extend(events[700:])
        assert await read(late, 900) == [event.frame for event in events[600:]]
        assert await read(early, 800) == [event.frame for event in events[700:]]
        timeline.close()


@pytest.mark.parametrize(
    ("subscription", "wanted"),
    [
        (Subscription(collections=frozenset({"app.bsky.feed.post"}), cursor=0), lambda n: n % 3 != 0),
        (Subscription(prefixes=("app.bsky.feed.",), cursor=0), lambda n: True),
        (Subscription(prefixes=("fm.",), cursor=0), lambda n: n % 3 == 2),
        (Subscription(dids=frozenset({"did:4", "did:9"}), cursor=0), lambda n: n % 7 == 4),
        (
            Subscription(collections=frozenset({"app.bsky.feed.like"}), dids=frozenset({"did:1"}), cursor=9000),
            lambda n: n % 7 == 1 and n % 3 != 1 and n >= 900,
        ),
    ],
)
@pytest.mark.anyio
async def test_filters_in_replay_and_live(subscription: Subscription, wanted: Callable[[int], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        timeline, events = Timeline(1 << 30), make_events(3000)
        timeline.extend(events[:2100])
        timeline.go_live()
        async with aclosing(Reader(timeline, subscription).chunks()) as chunks:
            expected = [event.frame for n, event in enumerate(events[:2100]) if wanted(n)]
            assert await read(chunks, len(expected)) == expected
            timeline.extend(events[2100:])
            expected = [event.frame for n, event in enumerate(events) if n >= 2100 and wanted(n)]
            assert await read(chunks, len(expected)) == expected
        timeline.close()


@pytest.mark.anyio
async def test_the_oldest_blocks_make_room_and_a_reader_goes_on_with_what_is_there() -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        rng = random.Random(1)
        # Noise does not compress: a block of 512 frames takes some 100 kB.
        events = [Event(b"%d %s" % (n, rng.randbytes(200)), n, "", "", "") for n in range(20_000)]
        timeline = Timeline(0, BlockStore(keep_bytes=1_000_000, segment_bytes=300_000))
        reader = Reader(timeline, Subscription(cursor=0)).chunks()
        timeline.extend(events[:512])
        assert await read(reader, 512) == [event.frame for event in events[:512]]
        timeline.extend(events[512:])
        timeline.go_live()
        assert timeline.length == 20_000
        kept = 20_000 - timeline.beginning.block * 512
        assert 4000 < kept < 8000
        assert await read(reader, kept) == [event.frame for event in events[-kept:]]
        timeline.close()


@pytest.mark.anyio
async def test_huge_frames_do_not_make_huge_blocks() -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        events = [Event(b"%d" % n + b"x" * 700_000, n, "", "", "") for n in range(5)]
        timeline = Timeline(1 << 30)
        timeline.extend(events)
        assert timeline.end.block == 2
        assert len(timeline.block(0).wire) < 2 * BLOCK_BYTES
        async with aclosing(Reader(timeline, Subscription(cursor=0)).chunks()) as chunks:
            assert await read(chunks, 5) == [event.frame for event in events]
        timeline.close()
