"""The ingester between a real websocket host and a real Redis: cursors, restarts, losses."""

import asyncio
import contextlib
import errno
import json
from pathlib import Path

import pytest
import redis as redis_client
from prometheus_client import CollectorRegistry

from bluelake.buffer.client import FLUSHES, METADATA, Buffer, Depth
from bluelake.core.clock import now_us
from bluelake.core.errors import CorruptStateError
from bluelake.core.files import write_durably
from bluelake.core.metrics import INGEST_METRICS, Metrics
from bluelake.core.settings import Settings
from bluelake.core.watermark import Cursor, Watermark, write_watermark
from bluelake.lake.drain import drain
from ingest.frames import WANTED_COLLECTIONS
from ingest.ingester import Ingester
from tests.support.frames import commit_frame
from tests.support.ingester import REWIND_SECONDS, START_US, frames, held, notices, reported, running, tuned, until
from tests.support.jetstream_host import jetstream_host
from tests.support.lakes import rows
from tests.support.redis import RedisServer


@pytest.mark.anyio
async def test_everything_served_is_in_its_queue_byte_for_byte(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as host, running(tuned(settings, host.url), buffer) as run:
        served = [*frames(0, 700), commit_frame("app.bsky.feed.post", time_us=START_US)]
        await host.give(*served)
        await until(lambda: len(held(buffer)) == 701)
        assert sorted(held(buffer)) == sorted(served)
        assert host.queries[0]["wantedCollections"] == list(WANTED_COLLECTIONS)
        assert run.metric("bluelake_ingest_events_total", queue="likes") == 700
        assert run.metric("bluelake_ingest_events_total", queue="blocks") == 0


@pytest.mark.anyio
async def test_the_first_run_starts_where_it_is_told_and_a_restart_resumes_by_cursor(
    buffer: Buffer, settings: Settings
) -> None:
    async with jetstream_host() as host:
        chosen = tuned(settings, host.url)
        async with running(chosen, buffer):
            await host.give(*frames(0, 500))
            await until(lambda: len(held(buffer)) == 500)
        await host.give(*frames(500, 500))
        async with running(chosen, buffer):
            await until(lambda: set(held(buffer)) == set(frames(0, 1000)))
        assert host.cursors[0] == START_US
        # The last frame but four, as the median of the last nine, and then the rewind.
        assert host.cursors[1] == START_US + 495 * 10_000 - REWIND_SECONDS * 1_000_000
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_what_was_received_is_flushed_when_it_is_stopped(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as host:
        async with running(tuned(settings, host.url, flush_seconds=60), buffer) as run:
            await host.give(*frames(0, 10))
            await until(lambda: run.metric("bluelake_ingest_connected"))
            await until(lambda: "10 events" in reported(settings))
            assert held(buffer) == []
        assert held(buffer) == frames(0, 10)


@pytest.mark.anyio
async def test_a_dropped_connection_is_resumed(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as host, running(tuned(settings, host.url), buffer) as run:
        await host.give(*frames(0, 300))
        await until(lambda: len(held(buffer)) == 300)
        await host.drop()
        await host.give(*frames(300, 300))
        await until(lambda: set(held(buffer)) == set(frames(0, 600)))
        assert run.metric("bluelake_ingest_connection_failures_total", host=host.name) == 1
        assert run.metric("bluelake_ingest_host_faults_total", reason="closed") == 1


@pytest.mark.anyio
async def test_the_next_host_takes_over_from_one_that_is_away(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as gone:
        away = gone.url
    async with jetstream_host() as host, running(tuned(settings, away, host.url), buffer):
        await host.give(*frames(0, 20))
        await until(lambda: len(held(buffer)) == 20)


@pytest.mark.anyio
async def test_an_emptied_redis_is_noticed_and_refilled_from_the_lakes_watermark(
    buffer: Buffer, settings: Settings, redis_server: RedisServer
) -> None:
    async with jetstream_host() as host, contextlib.AsyncExitStack() as stack:
        # The lake holds the first 300 events; flush 7 was offered to it and never committed.
        cursor = {host.name: Cursor(START_US + 300 * 10_000)}
        write_watermark(settings.watermark_path, Watermark(offered=7, committed=5, cursors=cursor))
        await stack.enter_async_context(running(tuned(settings, host.url), buffer))
        await host.give(*frames(0, 400))
        await until(lambda: len(held(buffer)) == 300)  # 300 to 399, and the 200 of the rewind
        with redis_client.Redis(port=redis_server.port) as client:
            client.flushall()
        await host.give(*frames(400, 100))
        await until(lambda: set(held(buffer)) == set(frames(100, 400)))
        first = next(iter(buffer.flushes(0)))
        assert (first.number, first.continues) == (8, 0)
        assert host.cursors[-1] == START_US + 300 * 10_000 - REWIND_SECONDS * 1_000_000


@pytest.mark.anyio
async def test_a_redis_that_is_emptied_before_anything_was_drained_loses_nothing(
    buffer: Buffer, settings: Settings, redis_server: RedisServer
) -> None:
    begun_us = now_us()

    def made(first: int, count: int) -> list[bytes]:
        return [
            commit_frame(rkey=f"3k{number:05d}", rev=number, time_us=begun_us + number * 1000)
            for number in range(first, first + count)
        ]

    async with jetstream_host() as host:
        async with running(tuned(settings, host.url, jetstream_start="1s"), buffer):
            await host.give(*made(0, 500))
            await until(lambda: len(held(buffer)) == 500)
            # Longer than the start and the rewind lie back together.
            await until(lambda: now_us() > begun_us + (1 + REWIND_SECONDS) * 1_000_000)
            with redis_client.Redis(port=redis_server.port) as client:
                client.flushall()
            await host.give(*made(3000, 100))
            await until(lambda: set(held(buffer)) == {*made(0, 500), *made(3000, 100)})
        assert host.cursors[0] == host.cursors[-1]


@pytest.mark.parametrize(
    ("gone", "is_drained", "source"),
    [((METADATA,), False, "redis"), ((METADATA,), True, "lake"), ((METADATA, FLUSHES), False, "start")],
    ids=["metadata", "metadata after a drain", "metadata and flushes"],
)
@pytest.mark.anyio
async def test_metadata_that_is_gone_while_the_streams_stay_loses_nothing_and_stops_no_drain(
    buffer: Buffer,
    settings: Settings,
    redis_server: RedisServer,
    gone: tuple[str, ...],
    is_drained: bool,
    source: str,
) -> None:
    async with jetstream_host() as host:
        chosen = tuned(settings, host.url)
        async with running(chosen, buffer) as run:
            await host.give(*frames(0, 300))
            await until(lambda: len(held(buffer)) == 300)
            if is_drained:
                drain(chosen)
            last = buffer.state().flush
            with redis_client.Redis(port=redis_server.port) as client:
                client.delete(*gone)
            await host.give(*frames(300, 300))
            await until(lambda: set(held(buffer)) >= set(frames(300, 300)))
            assert run.metric("bluelake_ingest_resumes_total", source=source) == (2 if source == "start" else 1)
            assert buffer.state().flush > last
            assert next(flush.continues for flush in buffer.flushes(last)) == (last if source == "redis" else 0)
        drain(chosen)
        assert rows(chosen, "SELECT count(*) AS n, count(DISTINCT rkey) AS keys FROM likes_all") == [
            {"n": 600, "keys": 600}
        ]
        assert all(depth == Depth(0, 0) for depth in buffer.depth().values())


@pytest.mark.anyio
async def test_a_full_disk_at_a_first_start_is_waited_for_and_the_start_does_not_slide(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[bytes] = []

    def write(path: Path, content: bytes) -> None:
        tries.append(content)
        if len(tries) < 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_durably(path, content)

    monkeypatch.setattr("ingest.start.write_durably", write)

    async with jetstream_host() as host, running(tuned(settings, host.url, jetstream_start="1h"), buffer):
        await until(lambda: "No space left" in reported(settings))
        assert '"waiting"' in reported(settings)
        await until(lambda: host.cursors)
        starts = [json.loads(content)["start_us"] for content in tries]
        assert starts == [host.cursors[0]] * 3


@pytest.mark.anyio
async def test_a_redis_that_may_evict_the_buffer_is_not_well(
    buffer: Buffer, settings: Settings, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.ingester.REPORT_SECONDS", 0.1)

    with redis_client.Redis(port=redis_server.port) as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        async with jetstream_host() as host, running(tuned(settings, host.url), buffer):
            await until(lambda: '"connected"' in reported(settings))
            assert '"ok": false' in reported(settings)
            assert "maxmemory-policy allkeys-lru" in reported(settings)
            client.config_set("maxmemory-policy", "noeviction")
            await until(lambda: '"ok": true' in reported(settings))
            assert "allkeys" not in reported(settings)


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.anyio
async def test_a_first_run_whose_replay_begins_late_notes_a_gap(buffer: Buffer, settings: Settings, wire: str) -> None:
    async with jetstream_host(wire) as host:
        host.floor_us = START_US + 20_000_000
        async with running(tuned(settings, host.url, gap_seconds=1), buffer):
            await host.give(*frames(0, 2500))
            await until(lambda: len(held(buffer)) == 500)
        (gap,) = notices(buffer, "gaps")
        margin_us = REWIND_SECONDS * 1_000_000
        assert (gap["from_us"], gap["to_us"]) == (START_US - margin_us, host.floor_us + 20_000 + margin_us)
        assert gap["cause"] == ("replay_starts_late" if wire == "v1" else "cursor_too_old")


@pytest.mark.anyio
async def test_a_flush_with_a_time_yet_to_come_keeps_nobody_standing_by(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as host, running(tuned(settings, host.url), buffer):
        await host.give(*frames(0, 100))
        await until(lambda: len(held(buffer)) == 100)
        state = buffer.state()
        # Another ingester wrote once and is gone; since then the machine's clock was set back by an hour.
        ahead_us = now_us() + 3_600_000_000
        buffer.append(state.flush, state.flush + 1, host.name, [], state.cursors, ahead_us, "gone")
        await host.give(*frames(100, 100))
        await until(lambda: set(held(buffer)) == set(frames(0, 200)))


@pytest.mark.anyio
async def test_a_redis_that_went_back_in_time_is_continued_from_where_it_stands(
    buffer: Buffer, settings: Settings, redis_server: RedisServer
) -> None:
    async with jetstream_host() as host, running(tuned(settings, host.url), buffer):
        await host.give(*frames(0, 300))
        await until(lambda: len(held(buffer)) == 300)
        with redis_client.Redis(port=redis_server.port) as client:
            kept = {key: client.dump(key) for key in client.keys("firehose:*")}
            await host.give(*frames(300, 300))
            await until(lambda: len(held(buffer)) == 600)
            with client.pipeline() as pipeline:
                pipeline.flushall()
                for key, value in kept.items():
                    pipeline.restore(key, 0, value)
                pipeline.execute()
        await host.give(*frames(600, 300))
        await until(lambda: set(held(buffer)) == set(frames(0, 900)))


@pytest.mark.anyio
async def test_a_redis_that_is_away_loses_nothing(
    buffer: Buffer, settings: Settings, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.flusher.LAST_RETRY_SECONDS", 0.2)
    redis_server.stop()

    async with jetstream_host() as host, running(tuned(settings, host.url), buffer):
        await host.give(*frames(0, 50))
        await until(lambda: "does not answer" in reported(settings))
        await asyncio.to_thread(redis_server.start)
        await until(lambda: len(held(buffer)) == 50)
        await asyncio.to_thread(redis_server.stop)
        await host.give(*frames(50, 50))
        await until(lambda: "does not answer" in reported(settings))
        await asyncio.to_thread(redis_server.start)
        await until(lambda: set(held(buffer)) >= set(frames(50, 50)))


@pytest.mark.anyio
async def test_a_second_ingester_stands_by_until_the_first_is_gone(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.ingester.STANDBY_SECONDS", 2.0)
    async with jetstream_host() as host:
        chosen = tuned(settings, host.url)
        async with running(chosen, buffer) as first:
            await host.give(*frames(0, 100))
            await until(lambda: first.metric("bluelake_ingest_flushes_total") > 0)
            async with running(chosen, buffer) as second:
                number = 100
                while '"standby"' not in reported(settings) or number < 200:
                    await host.give(*frames(number, 1))
                    number += 1
                    await asyncio.sleep(0.01)
                await until(lambda: set(held(buffer)) == set(frames(0, number)))
                await first.stop()
                await host.give(*frames(number, 100))
                await until(lambda: set(held(buffer)) == set(frames(0, number + 100)))
                await until(lambda: second.metric("bluelake_ingest_flushes_total") > 0)


@pytest.mark.anyio
async def test_a_replay_that_starts_too_late_is_a_gap(buffer: Buffer, settings: Settings) -> None:
    cursor = {"host": Cursor(START_US - 600_000_000)}
    write_watermark(settings.watermark_path, Watermark(offered=1, committed=1, cursors=cursor))

    async with jetstream_host() as host, running(tuned(settings, host.url, failover_rewind_seconds=7), buffer):
        await host.give(b'{"kind":"x","time_us":%d}' % START_US, *frames(0, 5))
        await until(lambda: notices(buffer, "gaps"))
        assert notices(buffer, "gaps") == [
            {
                # The cursor is another host's, whose clock may be ahead.
                "from_us": START_US - 600_000_000 - 7_000_000,
                # The median of the five events that confirm it.
                "to_us": START_US + 20_000 + REWIND_SECONDS * 1_000_000,
                "host": host.name,
                "cause": "replay_starts_late",
            }
        ]


@pytest.mark.anyio
async def test_a_frame_that_is_no_event_is_kept_and_counted(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as host, running(tuned(settings, host.url), buffer) as run:
        await host.give(*frames(0, 3), b"junk", b'{"kind":"x","time_us":%d}' % START_US, *frames(3, 3))
        await until(lambda: len(held(buffer)) == 6 and len(notices(buffer, "rejects")) == 2)
        assert [notice["reason"] for notice in notices(buffer, "rejects")] == ["not_json", "unknown_kind"]
        assert run.metric("bluelake_ingest_rejects_total", reason="not_json") == 1
        assert run.metric("bluelake_ingest_rejects_total", reason="not_utf8") == 0


@pytest.mark.anyio
async def test_a_full_buffer_stops_the_reading_and_evicts_nothing(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.room.ROOM_CHECK_SECONDS", 0.0)

    async with jetstream_host() as host:
        chosen = tuned(settings, host.url, flush_events=50)
        async with running(chosen, buffer) as run:
            run.ingester._flusher.room.high_water_bytes = 2_000
            await host.give(*frames(0, 2000))
            await until(lambda: run.metric("bluelake_ingest_paused") == 1)
            assert 0 < len(held(buffer)) < 2000
            run.ingester._flusher.room.high_water_bytes = 10**9
            await until(lambda: set(held(buffer)) == set(frames(0, 2000)))
            assert run.metric("bluelake_ingest_paused") == 0


@pytest.mark.anyio
async def test_a_lake_that_lost_its_watermark_is_not_guessed_around(buffer: Buffer, settings: Settings) -> None:
    (settings.lake_dir / "batches").mkdir(parents=True)
    ingester = Ingester(tuned(settings, "ws://127.0.0.1:9"), buffer, Metrics(INGEST_METRICS, CollectorRegistry()))
    with pytest.raises(CorruptStateError, match="bluelake drain"):
        await ingester.run()


@pytest.mark.anyio
async def test_it_stops_by_itself_once_nothing_comes(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as host:
        await host.give(*frames(0, 40))
        ingester = Ingester(tuned(settings, host.url), buffer, Metrics(INGEST_METRICS, CollectorRegistry()))
        async with asyncio.timeout(20):
            await ingester.run(exit_when_idle_seconds=0.5)
        assert held(buffer) == frames(0, 40)
