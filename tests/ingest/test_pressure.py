"""A Redis without room, and frames that are too large: reading stops or skips, and nothing else is lost."""

import asyncio
import base64
import contextlib
import hashlib

import pytest
import redis as redis_client

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from ingest.flusher import Flusher
from tests.support.ingester import START_US, expected, frames, held, notices, reported, rkeys, running, tuned, until
from tests.support.jetstream_host import jetstream_host
from tests.support.redis import RedisServer

COUNT = 12_000
FILLING = 250_000


def counted_tries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Why flushes waited, a line for each try that failed. Tries follow each other quickly."""
    monkeypatch.setattr("ingest.flusher.LAST_RETRY_SECONDS", 0.05)
    tries: list[str] = []
    report_waiting = Flusher._report_waiting

    def counting(self: Flusher, error: Exception) -> None:
        tries.append(str(error))
        report_waiting(self, error)

    monkeypatch.setattr(Flusher, "_report_waiting", counting)
    return tries


async def more_tries(tries: list[str], count: int = 5) -> None:
    """Wait for `count` more tries that fail: the reader had the time to read on if nothing stopped it."""
    goal = len(tries) + count
    await until(lambda: len(tries) >= goal)


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.anyio
async def test_a_redis_at_its_memory_limit_stops_the_reading_evicts_nothing_and_loses_nothing(
    buffer: Buffer, settings: Settings, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, wire: str
) -> None:
    tries = counted_tries(monkeypatch)

    with redis_client.Redis(port=redis_server.port) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + FILLING)
        async with jetstream_host(wire) as host:
            await host.give(*frames(0, COUNT))
            async with running(tuned(settings, host.url), buffer) as run:
                await until(lambda: run.metric("bluelake_ingest_paused") == 1)
                await until(lambda: "takes no writes now" in reported(settings))
                kept, connections = set(held(buffer)), len(host.cursors)
                (follower,) = run.ingester._followers
                await more_tries(tries)
                # One flush under way and the next one, however long it takes; and it does not connect anew.
                flushed = run.metric("bluelake_ingest_events_total", queue="likes")
                assert flushed == len(kept)
                assert flushed <= follower.received <= flushed + 2 * settings.flush_events
                assert 0 < len(kept) < COUNT
                assert len(host.cursors) == connections
                assert client.info("stats")["evicted_keys"] == 0
                client.config_set("maxmemory", 0)
                await until(lambda: buffer.depth()["likes"].events == COUNT, 60)
                assert rkeys(buffer) == expected(0, COUNT)
                assert set(held(buffer)) >= kept
                assert run.metric("bluelake_ingest_paused") == 0


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.parametrize("obliging", [True, False], ids=["obliging", "not obliging"])
@pytest.mark.anyio
async def test_a_frame_that_cannot_be_received_is_skipped_and_is_a_gap(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch, wire: str, obliging: bool
) -> None:
    monkeypatch.setattr("ingest.jetstream.LARGEST_MESSAGE_BYTES", 2_000_000)
    monkeypatch.setattr("ingest.follower.LARGEST_MESSAGE_BYTES", 2_000_000)
    monkeypatch.setattr("ingest.follower.FIRST_RETRY_SECONDS", 0.05)

    async with jetstream_host(wire) as host:
        host.heeds_largest = obliging
        huge = frames(100, 1)[0].replace(b'"createdAt"', b'"x":"' + b"A" * 3_000_000 + b'","createdAt"')
        async with running(tuned(settings, host.url), buffer) as run:
            await host.give(*frames(0, 100), huge, *frames(101, 100))
            await until(lambda: rkeys(buffer) == expected(0, 100) | expected(101, 201))
            count = run.metric("bluelake_ingest_host_faults_total", reason="frame_too_large")
            assert count == 1 if obliging else count > 1
        (gap,) = notices(buffer, "gaps")
        assert gap["cause"] == "frame_too_large"
        assert gap["from_us"] <= START_US + 100 * 10_000 <= gap["to_us"]  # type: ignore[operator]


@pytest.mark.parametrize("obliging", [True, False], ids=["obliging", "not obliging"])
@pytest.mark.anyio
async def test_a_second_frame_that_cannot_be_received_is_a_gap_of_its_own(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch, obliging: bool
) -> None:
    monkeypatch.setattr("ingest.jetstream.LARGEST_MESSAGE_BYTES", 2_000_000)
    monkeypatch.setattr("ingest.follower.LARGEST_MESSAGE_BYTES", 2_000_000)
    monkeypatch.setattr("ingest.follower.FIRST_RETRY_SECONDS", 0.05)

    def huge(number: int) -> bytes:
        return frames(number, 1)[0].replace(b'"createdAt"', b'"x":"' + b"A" * 3_000_000 + b'","createdAt"')

    async with jetstream_host() as host, running(tuned(settings, host.url), buffer):
        host.heeds_largest = obliging
        await host.give(*frames(0, 100), huge(100), *frames(101, 100))
        await until(lambda: rkeys(buffer) == expected(0, 100) | expected(101, 201))
        await host.give(*frames(201, 1000), huge(1201), *frames(1202, 100))
        await until(lambda: rkeys(buffer) == expected(0, 100) | expected(101, 1201) | expected(1202, 1302))
        await until(lambda: len(notices(buffer, "gaps")) == 2)
    gaps = notices(buffer, "gaps")
    for gap, number in zip(gaps, (100, 1201), strict=True):
        assert gap["from_us"] <= START_US + number * 10_000 <= gap["to_us"]  # type: ignore[operator]


async def _sends_too_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A host whose every connection begins with a frame of a tebibyte."""
    head = await reader.readuntil(b"\r\n\r\n")
    key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    writer.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n\x82\x7f" + (1 << 40).to_bytes(8, "big") + b"x" * 100)
    with contextlib.suppress(OSError):
        await writer.drain()
        await reader.read(2)  # the beginning of the close frame
    writer.close()


@pytest.mark.anyio
async def test_a_host_that_always_sends_too_large_a_frame_is_left_for_another(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.follower.FIRST_RETRY_SECONDS", 0.05)

    async with await asyncio.start_server(_sends_too_much, "127.0.0.1", 0) as server, jetstream_host() as good:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/subscribe"
        async with running(tuned(settings, url, good.url), buffer) as run:
            await good.give(*frames(0, 100))
            await until(lambda: rkeys(buffer) == expected(0, 100))
            assert good.cursors == [START_US]
            # The first try, and the two of asking for less.
            assert run.metric("bluelake_ingest_host_faults_total", reason="frame_too_large") == 3
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_frames_that_are_no_events_stop_the_reading_too_while_redis_takes_nothing(
    buffer: Buffer, settings: Settings, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = counted_tries(monkeypatch)
    junk = [b"junk%d" % number for number in range(1000)]

    with redis_client.Redis(port=redis_server.port) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        async with jetstream_host() as host, running(tuned(settings, host.url, flush_events=20), buffer) as run:
            await until(lambda: run.metric("bluelake_ingest_connected"))
            (follower,) = run.ingester._followers
            await host.give(*junk)
            await until(lambda: run.metric("bluelake_ingest_paused") == 1)
            await until(lambda: follower.received >= 20)
            await more_tries(tries)
            # One flush under way, and the next one.
            assert follower.received <= 3 * 20
            client.config_set("maxmemory", 0)
            await until(lambda: len(notices(buffer, "rejects")) == len(junk))


@pytest.mark.anyio
async def test_a_frame_over_the_accepted_size_is_rejected_alone(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as host:
        large = frames(10, 1)[0].replace(b'"createdAt"', b'"x":"' + b"A" * 1_500_000 + b'","createdAt"')
        async with running(tuned(settings, host.url, max_frame_mb=1), buffer):
            await host.give(*frames(0, 10), large, *frames(11, 10))
            await until(lambda: rkeys(buffer) == expected(0, 10) | expected(11, 21))
            await until(lambda: [notice["reason"] for notice in notices(buffer, "rejects")] == ["too_large"])
            assert len(host.cursors) == 1
