"""A Redis without room, and frames that are too large: reading stops or skips, and nothing else is lost."""

import asyncio
import json

import pytest
import redis as redis_client

from buffer.client import Buffer
from core.settings import Settings
from tests.conftest import RedisServer
from tests.ingest.jetstream_host import jetstream_host
from tests.ingest.running import START_US, frames, held, notices, running, said, tuned, until

COUNT = 12_000
FILLING = 120_000


def rkeys(buffer: Buffer) -> set[str]:
    return {json.loads(frame)["commit"]["rkey"] for frame in held(buffer)}


def expected(first: int, last: int) -> set[str]:
    return {json.loads(frame)["commit"]["rkey"] for frame in frames(first, last - first)}


@pytest.mark.parametrize("wire", ["v1", "v2"])
def test_a_redis_at_its_memory_limit_stops_the_reading_evicts_nothing_and_loses_nothing(
    buffer: Buffer, settings: Settings, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, wire: str
) -> None:
    monkeypatch.setattr("ingest.flusher.LAST_RETRY_SECONDS", 0.2)

    async def scenario() -> None:
        with redis_client.Redis(port=redis_server.port) as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", client.info("memory")["used_memory"] + FILLING)
            async with jetstream_host(wire) as host:
                await host.give(*frames(0, COUNT))
                async with running(tuned(settings, host.url), buffer) as run:
                    await until(lambda: run.metric("bluelake_ingest_paused") == 1)
                    await until(lambda: "takes no writes now" in said(settings))
                    kept = set(held(buffer))
                    (follower,) = run.ingester._followers
                    await asyncio.sleep(1)
                    # One flush under way and the next one, however long it takes; and it does not connect anew.
                    flushed = run.metric("bluelake_ingest_events_total", queue="likes")
                    assert flushed == len(kept)
                    assert flushed <= follower.received <= flushed + 2 * settings.flush_events
                    assert 0 < len(kept) < COUNT
                    assert len(host.cursors) == 1
                    assert client.info("stats")["evicted_keys"] == 0
                    client.config_set("maxmemory", 0)
                    await until(lambda: buffer.depth()["likes"].events == COUNT, 60)
                    assert rkeys(buffer) == expected(0, COUNT)
                    assert set(held(buffer)) >= kept
                    assert run.metric("bluelake_ingest_paused") == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.parametrize("obliging", [True, False])
def test_a_frame_that_cannot_be_received_is_skipped_and_is_a_gap(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch, wire: str, obliging: bool
) -> None:
    monkeypatch.setattr("ingest.jetstream.LARGEST_MESSAGE_BYTES", 2_000_000)
    monkeypatch.setattr("ingest.follower.LARGEST_MESSAGE_BYTES", 2_000_000)
    monkeypatch.setattr("ingest.follower.FIRST_RETRY_SECONDS", 0.05)

    async def scenario() -> None:
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

    asyncio.run(scenario())


def test_a_frame_over_the_accepted_size_is_rejected_alone(buffer: Buffer, settings: Settings) -> None:
    async def scenario() -> None:
        async with jetstream_host() as host:
            large = frames(10, 1)[0].replace(b'"createdAt"', b'"x":"' + b"A" * 1_500_000 + b'","createdAt"')
            async with running(tuned(settings, host.url, max_frame_mb=1), buffer):
                await host.give(*frames(0, 10), large, *frames(11, 10))
                await until(lambda: rkeys(buffer) == expected(0, 10) | expected(11, 21))
                await until(lambda: [notice["reason"] for notice in notices(buffer, "rejects")] == ["too_large"])
                assert len(host.cursors) == 1

    asyncio.run(scenario())
