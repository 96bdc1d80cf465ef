"""What no well-meaning host sends: the ingester stays, keeps what it got, and goes on."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard
from websockets.http11 import Response

from bluelake.buffer.client import Buffer
from bluelake.core.reasons import RejectReason
from bluelake.core.settings import Settings
from ingest import wire_v1, wire_v2
from ingest.compression import Dictionary, Inflater
from ingest.decoder import Decoder
from ingest.errors import HostError
from ingest.frames import Notice, Rejected, Routed
from ingest.watchdog import MANY_OTHERS
from tests.support.ingester import frames, held, notices, running, trained, tuned, until
from tests.support.jetstream_host import jetstream_host


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.parametrize(
    "bad",
    [
        b'{"kind":"x\xff"}',
        b'["\xff"]',
        b'{"$type":"message","payload":{"$type":"\xff"}}',
        b'{"kind":"commit","time_us":1,"commit":{"operation":"create","collection":"\xff"}}',
    ],
    ids=["kind", "array", "v2 kind", "collection"],
)
@pytest.mark.anyio
async def test_bytes_that_are_no_utf8_inside_a_string(
    buffer: Buffer, settings: Settings, wire: str, bad: bytes
) -> None:
    async with jetstream_host(wire) as host, running(tuned(settings, host.url), buffer):
        await host.give(*frames(0, 100), bad, *frames(100, 100))
        await until(lambda: len(held(buffer)) == 200 and notices(buffer, "rejects"))
        assert [notice["reason"] for notice in notices(buffer, "rejects")] == ["not_utf8"]


def _retries_twice(response: Response) -> None:
    response.headers["Retry-After"] = "0"
    response.headers["Retry-After"] = "1"


def _body_no_utf8(response: Response) -> None:
    response.body = b'{"error":"\xff"}'
    del response.headers["Content-Length"]
    response.headers["Content-Length"] = str(len(response.body))


def _location(address: str) -> Callable[[Response], None]:
    def spoil(response: Response) -> None:
        response.headers["Location"] = address

    return spoil


@pytest.mark.parametrize(
    ("status", "spoil", "fault"),
    [
        (503, _retries_twice, "unavailable"),
        (400, _body_no_utf8, "refused"),
        (302, _location("ws://[bad"), "unreachable"),
        (302, _location("ws://h:99999999/"), "unreachable"),
        (302, _location("ws://a..b/"), "unreachable"),
    ],
    ids=["two Retry-After", "body no UTF-8", "location no URL", "location no port", "location no name"],
)
@pytest.mark.anyio
async def test_an_odd_answer_to_the_handshake(
    buffer: Buffer, settings: Settings, status: int, spoil: Callable[[Response], None], fault: str
) -> None:
    async with jetstream_host() as host:
        await host.give(*frames(0, 100))
        host.refusal, host.spoil = (status, "", {}), spoil
        async with running(tuned(settings, host.url), buffer) as run:
            await until(lambda: run.metric("bluelake_ingest_host_faults_total", reason=fault))
            host.refusal = None
            await until(lambda: len(held(buffer)) == 100)


@pytest.mark.parametrize("kept", [8, 100], ids=["eight bytes", "hundred bytes"])
@pytest.mark.anyio
async def test_a_dictionary_that_is_one_by_its_first_bytes_only(buffer: Buffer, settings: Settings, kept: int) -> None:
    async with jetstream_host() as host:
        host.offered = trained().as_bytes()[:kept] + b"\0" * 4000
        await host.give(*frames(0, 100))
        async with running(tuned(settings, host.url, jetstream_compress=True), buffer) as run:
            await until(lambda: len(held(buffer)) == 100)
            assert run.metric("bluelake_ingest_host_faults_total", reason="no_dictionary") == 1
        assert not list(settings.dictionaries_dir.glob("*"))


@pytest.mark.parametrize("lost", [1, 3, 50])
def test_a_compressed_frame_that_is_cut_off_is_not_taken_for_a_shorter_one(lost: int) -> None:
    dictionary = Dictionary(trained().as_bytes())
    compressor = zstandard.ZstdCompressor(dict_data=dictionary.prepared).compressobj()
    message = compressor.compress(b"".join(frames(0, 20))) + compressor.flush()
    inflater = Inflater(dictionary, 1_000_000, "host")
    assert inflater.inflate(message) == b"".join(frames(0, 20))
    with pytest.raises(HostError, match="does not decompress"):
        inflater.inflate(message[:-lost])


@pytest.mark.parametrize("diagnose", [wire_v1.diagnose, wire_v2.diagnose], ids=["v1", "v2"])
@pytest.mark.parametrize(
    ("end", "reason"),
    [(b"]}", RejectReason.MISSING_FIELD), (b",NaN]}", RejectReason.NOT_JSON)],
    ids=["whole", "broken"],
)
def test_a_frame_of_very_many_values_is_not_built(
    diagnose: Callable[[bytes], RejectReason], end: bytes, reason: RejectReason
) -> None:
    frame = b'{"type":"x","a":[' + b",".join([b"{}"] * 1_000_000) + end
    tracemalloc.start()
    try:
        assert diagnose(frame) is reason
        assert tracemalloc.get_traced_memory()[1] < 3 * len(frame)
    finally:
        tracemalloc.stop()


@pytest.mark.anyio
async def test_a_frame_over_the_limit_is_not_looked_into(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    route = wire_v1.WireV1.route

    def looking(wire: wire_v1.WireV1, frame: bytes) -> Routed | Rejected | Notice:
        looked.append(len(frame))
        return route(wire, frame)

    monkeypatch.setattr(wire_v1.WireV1, "route", looking)

    async with jetstream_host() as host, running(tuned(settings, host.url, max_frame_mb=1), buffer):
        await host.give(*frames(0, 10), b"[" + b"1," * 600_000 + b"1]", *frames(10, 10))
        await until(lambda: len(held(buffer)) == 20 and notices(buffer, "rejects"))
        assert [notice["reason"] for notice in notices(buffer, "rejects")] == ["too_large"]
    assert max(looked) < 1_000_000


@pytest.mark.anyio
async def test_what_the_ingester_was_not_made_for_ends_a_connection_and_moves_no_cursor(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of its own, in the midst of a message: it comes back for all of it."""
    failures = [ArithmeticError("unheard of")]
    route = wire_v1.WireV1.route

    def failing(self: wire_v1.WireV1, frame: bytes) -> object:
        if b"3k00150" in frame and failures:
            raise failures.pop()
        return route(self, frame)

    monkeypatch.setattr(wire_v1.WireV1, "route", failing)

    async with jetstream_host() as host:
        await host.give(*frames(0, 300))
        async with running(tuned(settings, host.url), buffer) as run:
            await until(lambda: set(held(buffer)) == set(frames(0, 300)))
            assert run.metric("bluelake_ingest_host_faults_total", reason="unexpected") == 1


@pytest.mark.anyio
async def test_a_host_that_only_says_things_is_left(buffer: Buffer, settings: Settings) -> None:
    info = {"$type": "network.bsky.jetstream.subscribeEvents#info", "name": "Hello", "message": "again"}
    frame = json.dumps({"$type": "message", "payload": info}).encode()

    async with jetstream_host("v2") as talker, jetstream_host("v2") as other:
        await talker.give(*[frame] * (MANY_OTHERS + 1))
        await other.give(*frames(0, 100))
        chosen = tuned(settings, talker.url, other.url, host_silent_seconds=1)

        async def keep_talking() -> None:
            while True:
                await talker.give(frame)
                await asyncio.sleep(0.1)

        talking = asyncio.create_task(keep_talking())
        async with running(chosen, buffer):
            await until(lambda: len(held(buffer)) == 100)
        talking.cancel()


@pytest.mark.anyio
async def test_a_host_that_ends_every_connection_early_is_not_asked_for_more_each_time(
    buffer: Buffer, settings: Settings
) -> None:
    async with jetstream_host() as host:
        await host.give(*frames(0, 1000))
        async with running(tuned(settings, host.url), buffer):
            await until(lambda: len(held(buffer)) == 1000)
        newest_us = buffer.state().cursors[host.name].time_us
        # It still serves, of what is asked for, the first half a second.
        host.withheld = [(newest_us - 1_500_000, newest_us + 60_000_000)]
        for _ in range(3):
            before = len(held(buffer))

            def more_came(least: int = before + 40) -> bool:
                return len(held(buffer)) >= least

            async with running(tuned(settings, host.url), buffer):
                await until(more_came)
            assert buffer.state().cursors[host.name].time_us == newest_us


@pytest.mark.anyio
async def test_what_is_in_the_future_is_asked_of_the_clock_after_every_wait(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush that waited for Redis for long is no reason to take what came meanwhile for events of the future."""
    moved: list[Decoder] = []
    move = Decoder.move_latest

    def moving(decoder: Decoder) -> None:
        moved.append(decoder)
        move(decoder)

    monkeypatch.setattr(Decoder, "move_latest", moving)

    async with jetstream_host() as host:
        # So long that the clock of the connection does not move it.
        chosen = tuned(settings, host.url, flush_seconds=50, flush_events=10)
        await host.give(*frames(0, 100))
        async with running(chosen, buffer):
            await until(lambda: len(held(buffer)) >= 90)
    assert len(moved) > 5
