"""Several hosts with clocks and sequence numbers of their own: leaving one, resuming on another, gaps, and comparing them."""

import asyncio
import contextlib
import json
from typing import cast

import pytest
import redis as redis_client
from prometheus_client import CollectorRegistry

from bluelake.buffer.client import Buffer
from bluelake.core.clock import now_us
from bluelake.core.metrics import INGEST_METRICS, Metrics
from bluelake.core.settings import Settings
from bluelake.core.watermark import Cursor, Watermark, write_watermark
from ingest.clocks import SuspectSpan
from ingest.compression import Inflater
from ingest.continuity import Continuity
from ingest.decoder import Decoder
from ingest.flusher import Flusher
from ingest.hosts import Hosts
from ingest.receive import FrameStream
from ingest.session import Beginning, Session
from ingest.wire_v1 import WireV1
from tests.support.ingester import (
    REWIND_SECONDS,
    START_US,
    Run,
    expected,
    frames,
    notices,
    rkeys,
    running,
    tuned,
    until,
)
from tests.support.jetstream_host import JetstreamHost, jetstream_host
from tests.support.redis import RedisServer

FAILOVER_SECONDS = 4
SECOND_US = 1_000_000
MARGIN_US = REWIND_SECONDS * SECOND_US


def span(first: int, last: int) -> tuple[int, int]:
    """The time from frame `first` up to `last`, that left out: 100 frames are a second."""
    return START_US + first * 10_000, START_US + last * 10_000


def chosen(settings: Settings, *hosts: JetstreamHost, **more: object) -> Settings:
    """Settings for `hosts`, with a second as a gap."""
    urls = [host.url for host in hosts]
    return tuned(settings, *urls, failover_rewind_seconds=FAILOVER_SECONDS, gap_seconds=1, **more)


def faults(run: Run, reason: str) -> float:
    return run.metric("bluelake_ingest_host_faults_total", reason=reason)


def resumed(settings: Settings, buffer: Buffer) -> tuple[Hosts, Flusher]:
    """The hosts `one` and `two`, and the flusher, when the ingester has resumed."""
    tuning = tuned(settings, "ws://one/subscribe", "ws://two/subscribe", failover_rewind_seconds=FAILOVER_SECONDS)
    flusher = Flusher(tuning, buffer, Metrics(INGEST_METRICS, CollectorRegistry()), asyncio.Event())
    flusher.resume()
    hosts = Hosts(tuning)
    hosts.resume(flusher.progress.cursors)
    return hosts, flusher


def position(name: str, hosts: Hosts, flusher: Flusher) -> Cursor:
    """Where a connection to host `name` begins."""
    return hosts.position(hosts.states[f"ws://{name}/subscribe"], flusher.progress, now_us())


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.anyio
async def test_another_host_takes_over_by_time_and_each_keeps_its_own_cursor(
    buffer: Buffer, settings: Settings, wire: str
) -> None:
    async with jetstream_host(wire) as first, jetstream_host(wire) as second:
        second.clock_us, second.first_seq = 2_500_000, 900_001
        async with running(chosen(settings, first, second), buffer):
            await first.give(*frames(0, 1000))
            await second.give(*frames(0, 1000))
            await until(lambda: rkeys(buffer) == expected(0, 1000))
            first.refusal = (503, "", {})
            await first.drop()
            for host in (first, second):
                await host.give(*frames(1000, 500))
            await until(lambda: rkeys(buffer) == expected(0, 1500))
            newest_us = START_US + 995 * 10_000
            assert second.cursors == [newest_us - FAILOVER_SECONDS * SECOND_US]
            cursors = buffer.state().cursors
            assert cursors[first.name] == Cursor(newest_us, first.seq(995) if wire == "v2" else None)
            own = Cursor(START_US + 1495 * 10_000 + 2_500_000, second.seq(1495) if wire == "v2" else None)
            assert cursors[second.name] == own
            assert notices(buffer, "gaps") == []
            first.refusal = None
            await second.drop()
            await until(lambda: len(first.cursors) > 1)
            # Its own cursor is too far behind: by time, behind the newest one of any host, without that host's clock.
            assert first.cursors[-1] == START_US + 1495 * 10_000 - FAILOVER_SECONDS * SECOND_US


@pytest.mark.parametrize("restarted", [False, True], ids=["dropped", "restarted"])
@pytest.mark.anyio
async def test_what_a_host_that_lags_had_not_served_yet_the_next_one_is_asked_for(
    buffer: Buffer, settings: Settings, restarted: bool
) -> None:
    async with jetstream_host() as lagging, jetstream_host() as other:
        # It stamps an event half a minute after it was made, and has come to the tenth second of them.
        lagging.clock_us = 30 * SECOND_US
        tuning = chosen(settings, lagging, other, jetstream_start=str(START_US + lagging.clock_us))
        async with contextlib.AsyncExitStack() as stack:
            run = await stack.enter_async_context(running(tuning, buffer))
            await lagging.give(*frames(0, 1000))
            await other.give(*frames(0, 4000))
            await until(lambda: rkeys(buffer) == expected(0, 1000))
            lagging.refusal = (503, "", {})
            if restarted:
                await run.stop()
                await stack.enter_async_context(running(tuning, buffer))
            else:
                await lagging.drop()
            await until(lambda: rkeys(buffer) == expected(0, 4000))
        assert other.cursors == [START_US + 995 * 10_000 - FAILOVER_SECONDS * SECOND_US]
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_a_host_whose_clock_turns_out_to_be_behind_is_asked_again(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as first, jetstream_host() as behind:
        behind.clock_us = -20 * SECOND_US
        async with running(chosen(settings, first, behind), buffer):
            await first.give(*frames(0, 1000))
            await behind.give(*frames(0, 4000))
            await until(lambda: rkeys(buffer) == expected(0, 1000))
            first.refusal = (503, "", {})
            await first.drop()
            await until(lambda: rkeys(buffer) == expected(0, 4000))
        begun_us = START_US + 995 * 10_000 - FAILOVER_SECONDS * SECOND_US
        assert behind.cursors == [begun_us, begun_us - 20 * SECOND_US]
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_a_host_whose_clock_was_set_back_meanwhile_is_asked_by_its_new_one(
    buffer: Buffer, settings: Settings
) -> None:
    async with jetstream_host() as host:
        await host.give(*frames(0, 6000))
        # It has been followed to the tenth second, when its clock was half a minute ahead.
        cursors = {host.name: Cursor(START_US + 40 * SECOND_US, None, 30 * SECOND_US)}
        write_watermark(settings.watermark_path, Watermark(3, 3, cursors))
        async with running(chosen(settings, host), buffer):
            await until(lambda: rkeys(buffer) == expected(800, 6000))
        assert host.cursors == [START_US + seconds * SECOND_US - MARGIN_US for seconds in (40, 10)]
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_a_clock_that_is_set_back_while_the_host_is_read_takes_its_cursor_along(
    buffer: Buffer, settings: Settings
) -> None:
    async with jetstream_host() as host:
        host.clock_us = 30 * SECOND_US
        async with running(tuned(settings, host.url), buffer):
            await host.give(*frames(0, 1000))
            await until(lambda: rkeys(buffer) == expected(0, 1000))
            host.clock_us = 0
            await host.give(*frames(1000, 1000))
            await until(lambda: rkeys(buffer) == expected(0, 2000))
            host.refusal = (503, "", {})
            await host.drop()
            await host.give(*frames(2000, 500))
            host.refusal = None
            await until(lambda: rkeys(buffer) == expected(0, 2500))
        assert host.cursors[-1] == START_US + 1995 * 10_000 - MARGIN_US


@pytest.mark.parametrize(
    ("lag_seconds", "from_seconds"),
    [(None, -20), (600, -20), (-5, -25)],
    ids=["lag unknown", "it lagged", "slow clock"],
)
def test_a_host_is_asked_as_if_it_had_caught_up(
    buffer: Buffer, settings: Settings, lag_seconds: int | None, from_seconds: int
) -> None:
    """One host has been followed, 20 s behind; the other one was followed long ago."""
    cursors = {"one": Cursor(START_US, None, 20 * SECOND_US)}
    if lag_seconds is not None:
        cursors["two"] = Cursor(START_US - 3600 * SECOND_US, None, lag_seconds * SECOND_US)
    write_watermark(settings.watermark_path, Watermark(5, 5, cursors))
    hosts, flusher = resumed(settings, buffer)
    assert position("two", hosts, flusher) == Cursor(START_US + (from_seconds - FAILOVER_SECONDS) * SECOND_US)


def test_a_cursor_without_a_lag_hides_nothing_and_is_no_gap(buffer: Buffer, settings: Settings) -> None:
    """As the ingester before wrote them: `two` was followed last, and `one` is asked from there on."""
    cursors = {"one": Cursor(START_US - 3 * 3600 * SECOND_US), "two": Cursor(START_US)}
    write_watermark(settings.watermark_path, Watermark(5, 5, cursors))
    hosts, flusher = resumed(settings, buffer)
    assert position("one", hosts, flusher) == Cursor(START_US - FAILOVER_SECONDS * SECOND_US)
    one = hosts.states["ws://one/subscribe"]
    one.observe_lag(frames(0, 64), [START_US] * 64)
    assert flusher.progress.horizon_us(one.lag.us) == START_US


def test_cursors_lose_the_credentials_that_they_were_kept_with(buffer: Buffer, settings: Settings) -> None:
    cursors = {"me:secret@one": Cursor(START_US, 7), "me:secret@two": Cursor(START_US), "two": Cursor(START_US + 1)}
    write_watermark(settings.watermark_path, Watermark(5, 5, cursors))
    _, flusher = resumed(settings, buffer)
    assert flusher.progress.cursors == {"one": Cursor(START_US, 7), "two": Cursor(START_US + 1)}


@pytest.mark.anyio
async def test_of_large_first_messages_few_are_looked_at(buffer: Buffer, settings: Settings) -> None:
    """64 of them, decompressed, could fill the memory at every connection."""
    write_watermark(settings.watermark_path, Watermark(5, 5, {"one": Cursor(START_US)}))
    hosts, flusher = resumed(settings, buffer)
    one = hosts.states["ws://one/subscribe"]
    inflated = []

    class Inflates:
        def inflate(self, message: bytes) -> bytes:
            inflated.append(message)
            return frames(0, 1)[0] + b" " * 5_000_000

    class Stream:
        async def take(self) -> list[bytes]:
            return [b"small"] * 64

    session = Session(
        settings,
        flusher,
        Metrics(INGEST_METRICS, CollectorRegistry()),
        one,
        Decoder(settings, WireV1(0), cast(Inflater, Inflates())),
        Continuity(60_000_000, lambda: START_US),
        lambda hole: pytest.fail("there is none"),
        Beginning(START_US, START_US),
    )
    await session._open(cast(FrameStream, Stream()))
    assert len(inflated) == 2
    assert one.lag.known_us is not None


@pytest.mark.anyio
async def test_a_silent_host_is_left(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as mute, jetstream_host() as host:
        mute.silent = True
        for one in (mute, host):
            await one.give(*frames(0, 100))
        async with running(chosen(settings, mute, host, host_silent_seconds=0.3), buffer) as run:
            await until(lambda: rkeys(buffer) == expected(0, 100))
            assert faults(run, "silent") >= 1


@pytest.mark.anyio
async def test_a_host_that_sends_only_what_is_no_event_is_left(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as useless, jetstream_host() as host:
        await host.give(*frames(0, 100))
        async with running(chosen(settings, useless, host, host_silent_seconds=0.5), buffer) as run:
            while not host.cursors:
                await useless.give(*[b"junk"] * 10)
                await asyncio.sleep(0.02)
            await until(lambda: rkeys(buffer) == expected(0, 100))
            assert faults(run, "silent") == 1


@pytest.mark.anyio
async def test_a_host_that_serves_less_than_is_usual_is_left(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as slow, jetstream_host() as host:
        start = str(START_US + 5_000 * 10_000)
        tuning = chosen(settings, slow, host, host_slow_seconds=0.5, host_slow_share=0.5, jetstream_start=start)
        async with running(tuning, buffer) as run:
            number = 5_000  # live
            while not (usual := run.ingester._hosts.usual.per_second):
                for one in (slow, host):
                    await one.give(*frames(number, 10))
                number += 10
                await asyncio.sleep(0.01)
            assert 90 < usual < 110
            lacking_us = START_US + number * 10_000
            while not faults(run, "slow"):
                await slow.give(*frames(number, 1))
                await host.give(*frames(number, 100))
                number += 100
                await asyncio.sleep(0.05)
            await until(lambda: rkeys(buffer) == expected(5_000, number))
            # A restart before the other one had served them would have asked for them too.
            assert buffer.state().cursors[slow.name].time_us <= lacking_us


@pytest.mark.anyio
async def test_a_host_that_is_slow_from_the_start_is_left_by_what_was_usual_before(
    buffer: Buffer, settings: Settings
) -> None:
    (settings.home / "ingest-rate.json").write_text(json.dumps({"per_second": 100.0, "at_us": now_us()}))

    async with jetstream_host() as slow, jetstream_host() as host:
        tuning = chosen(settings, slow, host, host_slow_seconds=0.5, host_slow_share=0.5)
        async with running(tuning, buffer) as run:
            number = 0
            while not faults(run, "slow"):
                await slow.give(*frames(number, 1))
                await host.give(*frames(number, 10))
                number += 10
                await asyncio.sleep(0.1)
            await until(lambda: rkeys(buffer) == expected(0, number))


@pytest.mark.anyio
async def test_a_gap_is_found_on_hosts_with_clocks_apart_by_more_than_a_gap(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as one, jetstream_host() as two:
        one.clock_us, two.clock_us = 2_500_000, -3_000_000
        one.withheld = two.withheld = [span(1000, 1400)]
        tuning = chosen(settings, one, two).model_copy(update={"failover_rewind_seconds": 10})
        async with running(tuning, buffer) as run:
            for host in (one, two):
                await host.give(*frames(0, 2000))
            await until(lambda: rkeys(buffer) == expected(0, 1000) | expected(1400, 2000))
            assert faults(run, "gap") >= 1
        (gap,) = notices(buffer, "gaps")
        clock_us = {one.name: one.clock_us, two.name: two.clock_us}[str(gap["host"])]
        first_us, last_us = span(1000, 1400)
        assert gap["from_us"] - clock_us <= first_us < last_us <= gap["to_us"] - clock_us  # type: ignore[operator]


def test_a_suspect_span_does_not_hide_that_redis_stands_further_back(settings: Settings, buffer: Buffer) -> None:
    hour_us = 3600 * SECOND_US
    write_watermark(settings.watermark_path, Watermark(5, 5, {"one": Cursor(START_US - hour_us)}))
    hosts, flusher = resumed(settings, buffer)
    hosts.suspect = SuspectSpan("ws://one/subscribe", START_US - 240 * SECOND_US, START_US)
    assert position("two", hosts, flusher) == Cursor(START_US - hour_us - FAILOVER_SECONDS * SECOND_US)


@pytest.mark.parametrize(
    ("begun_seconds", "last_seconds", "is_covered"),
    # The other host's clock is 5 s ahead.
    [(-240 + 5, 5, True), (-240 + 5, 4, False), (-240 + 6, 5, False), (-20, 60, False)],
    ids=["all of it", "ends too soon", "begins too late", "begins inside"],
)
def test_a_suspect_span_ends_with_a_connection_that_began_before_it_and_ended_behind_it(
    settings: Settings, buffer: Buffer, begun_seconds: int, last_seconds: int, is_covered: bool
) -> None:
    cursors = {"two": Cursor(START_US, None, 5 * SECOND_US)}
    write_watermark(settings.watermark_path, Watermark(5, 5, cursors))
    hosts, _ = resumed(settings, buffer)
    one, two = hosts.states.values()
    suspect = SuspectSpan(one.url, START_US - 240 * SECOND_US, START_US)
    begun_us, last_us = START_US + begun_seconds * SECOND_US, START_US + last_seconds * SECOND_US
    hosts.suspect = suspect
    hosts.served(one, begun_us, last_us)
    assert hosts.suspect is suspect
    hosts.served(two, begun_us, last_us)
    assert hosts.suspect is (None if is_covered else suspect)


@pytest.mark.anyio
async def test_hosts_that_are_away_at_first_do_not_move_the_start(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as away, jetstream_host() as host:
        away.refusal = (503, "", {})
        async with running(chosen(settings, away, host, jetstream_start="1h"), buffer):
            await until(lambda: host.cursors)
        assert host.cursors[0] == away.cursors[0]


@pytest.mark.parametrize("kept_from", [0, 1400], ids=["number is there", "number is too old"])
@pytest.mark.anyio
async def test_a_restart_right_before_a_gap_finds_it_though_the_other_hosts_clock_is_ahead(
    buffer: Buffer, settings: Settings, kept_from: int
) -> None:
    async with jetstream_host("v2") as host:
        await host.give(*frames(0, 2000))
        host.withheld = [span(1000, 1400)]
        host.floor_us = span(kept_from, 2000)[0]
        # Both hosts were followed up to the gap; the one that is gone had a clock 2.9 s ahead.
        first_us, last_us = span(1000, 1400)
        cursors = {host.name: Cursor(first_us, host.seq(995)), "gone:1": Cursor(first_us + 2_900_000)}
        write_watermark(settings.watermark_path, Watermark(3, 3, cursors))
        async with running(chosen(settings, host), buffer):
            await until(lambda: rkeys(buffer) >= expected(1400, 2000))
        (gap,) = notices(buffer, "gaps")
        assert gap["from_us"] <= first_us < last_us <= gap["to_us"]  # type: ignore[operator]


@pytest.mark.anyio
async def test_a_single_silent_host_is_asked_again(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as host:
        host.silent = True
        await host.give(*frames(0, 100))
        async with running(chosen(settings, host, host_silent_seconds=0.3), buffer) as run:
            await until(lambda: faults(run, "silent") == 1)
            host.silent = False
            await until(lambda: rkeys(buffer) == expected(0, 100))


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.anyio
async def test_what_one_host_skipped_another_one_serves(buffer: Buffer, settings: Settings, wire: str) -> None:
    async with jetstream_host(wire) as patchy, jetstream_host(wire) as whole:
        whole.clock_us = -700_000
        patchy.withheld = [span(300, 600)]
        async with running(chosen(settings, patchy, whole), buffer) as run:
            for host in (patchy, whole):
                await host.give(*frames(0, 1000))
            await until(lambda: rkeys(buffer) == expected(0, 1000))
            assert faults(run, "gap") == 1
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_a_host_that_is_away_for_a_moment_is_still_asked_for_a_gap(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as patchy, jetstream_host() as whole:
        patchy.withheld = [span(300, 600)]
        whole.refusal = (503, "", {})
        async with running(chosen(settings, patchy, whole), buffer):
            for host in (patchy, whole):
                await host.give(*frames(0, 1000))
            await until(lambda: whole.cursors)
            whole.refusal = None
            await until(lambda: rkeys(buffer) == expected(0, 1000))
        assert notices(buffer, "gaps") == []


@pytest.mark.parametrize("others_end", [800, 640], ids=["far apart", "close"])
@pytest.mark.anyio
async def test_what_no_host_has_is_one_gap_the_smallest_and_a_restart_does_not_note_it_again(
    buffer: Buffer, settings: Settings, others_end: int
) -> None:
    async with jetstream_host() as one, jetstream_host() as two, jetstream_host() as three:
        one.withheld, two.withheld, three.withheld = (
            [span(300, others_end + 100)],
            [span(280, 600)],
            [span(300, others_end)],
        )
        tuning = chosen(settings, one, two, three)
        async with running(tuning, buffer) as run:
            for host in (one, two, three):
                await host.give(*frames(0, 1500))
            await until(lambda: rkeys(buffer) == expected(0, 300) | expected(600, 1500))
            assert run.metric("bluelake_ingest_gaps_total", cause="host_skipped") == 1
        async with running(tuning, buffer) as run:
            for host in (one, two, three):
                await host.give(*frames(1500, 100))
            await until(lambda: expected(1500, 1600) <= rkeys(buffer))
            assert run.metric("bluelake_ingest_gaps_total", cause="host_skipped") == 0
        (gap,) = notices(buffer, "gaps")
        assert (gap["host"], gap["cause"]) == (two.name, "host_skipped")
        # What was withheld lies within, and not much else.
        first_us, last_us = span(300, 600)
        assert gap["from_us"] <= first_us <= gap["from_us"] + MARGIN_US + SECOND_US  # type: ignore[operator]
        assert last_us + MARGIN_US <= gap["to_us"] <= last_us + MARGIN_US + SECOND_US  # type: ignore[operator]


@pytest.mark.anyio
async def test_a_gap_begins_a_second_earlier_at_least_since_clocks_are_compared_no_better(
    buffer: Buffer, settings: Settings
) -> None:
    async with jetstream_host() as host:
        host.withheld = [span(300, 600)]
        tuning = chosen(settings, host).model_copy(update={"rewind_seconds": 0})
        async with running(tuning, buffer):
            await host.give(*frames(0, 1500))
            await until(lambda: rkeys(buffer) == expected(0, 300) | expected(600, 1500))
        (gap,) = notices(buffer, "gaps")
        first_us = span(300, 600)[0]
        assert first_us - 2 * SECOND_US <= gap["from_us"] <= first_us - SECOND_US  # type: ignore[operator]


@pytest.mark.anyio
async def test_a_gap_is_found_again_after_a_crash_in_front_of_it(
    buffer: Buffer, settings: Settings, redis_server: RedisServer
) -> None:
    async with jetstream_host() as host:
        host.withheld = [span(300, 600)]
        async with running(chosen(settings, host), buffer) as run:
            await host.give(*frames(0, 301))
            await until(lambda: rkeys(buffer) == expected(0, 300))
            with redis_client.Redis(port=redis_server.port) as client:
                kept = {key: client.dump(key) for key in client.keys("firehose:*")}
                await host.give(*frames(301, 700))
                await until(lambda: rkeys(buffer) == expected(0, 300) | expected(600, 1001))
                client.flushall()
                for key, value in kept.items():
                    client.restore(key, 0, value)
            await host.give(*frames(1001, 100))
            await until(lambda: rkeys(buffer) == expected(0, 300) | expected(600, 1101))
            assert len(notices(buffer, "gaps")) == 1
            assert run.metric("bluelake_ingest_gaps_total", cause="host_skipped") == 2


@pytest.mark.anyio
async def test_one_event_with_an_odd_time_and_a_slow_stream_are_no_gaps(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as host:
        async with running(chosen(settings, host), buffer):
            odd = [frame for number in (5000, 5001) for frame in frames(number, 1)]
            await host.give(*frames(0, 300), *odd, *frames(300, 300))
            await until(lambda: rkeys(buffer) == expected(0, 600) | expected(5000, 5002))
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_two_hosts_are_read_at_once_and_their_union_is_taken(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host("v1") as one, jetstream_host("v2") as two:
        two.clock_us = 400_000
        one.withheld, two.withheld = [span(200, 500)], [span(700, 1000)]
        async with running(chosen(settings, one, two, bluelake_hosts_compared=2), buffer) as run:
            await until(lambda: run.metric("bluelake_ingest_connected") == 2)
            for number in range(0, 1500, 50):
                for host in (one, two):
                    await host.give(*frames(number, 50))
            await until(lambda: rkeys(buffer) == expected(0, 1500))
            own = {
                one.name: Cursor(START_US + 1495 * 10_000),
                two.name: Cursor(START_US + 1495 * 10_000 + 400_000, two.seq(1495)),
            }
            await until(lambda: buffer.state().cursors == own)
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_one_of_two_hosts_may_die_and_a_third_takes_its_place(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as one, jetstream_host() as two, jetstream_host() as three:
        async with running(chosen(settings, one, two, three, bluelake_hosts_compared=2), buffer) as run:
            for host in (one, two, three):
                await host.give(*frames(0, 300))
            await until(lambda: run.metric("bluelake_ingest_connected") == 2 and len(rkeys(buffer)) == 300)
            assert three.cursors == []
            one.refusal = (500, "", {})
            await one.drop()
            await until(lambda: three.cursors)
            await two.drop()
            two.refusal = (500, "", {})
            for host in (one, two, three):
                await host.give(*frames(300, 300))
            await until(lambda: rkeys(buffer) == expected(0, 600))
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_a_gap_of_both_compared_hosts_is_noted_once(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as one, jetstream_host() as two:
        one.withheld = two.withheld = [span(300, 600)]
        async with running(chosen(settings, one, two, bluelake_hosts_compared=2), buffer) as run:
            await until(lambda: run.metric("bluelake_ingest_connected") == 2)
            for number in range(0, 1500, 50):
                for host in (one, two):
                    await host.give(*frames(number, 50))
            await until(lambda: rkeys(buffer) == expected(0, 300) | expected(600, 1500))
        assert len(notices(buffer, "gaps")) == 1


@pytest.mark.anyio
async def test_a_lone_host_is_asked_again_for_what_it_skipped(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as host:
        async with running(chosen(settings, host), buffer) as run:
            await host.give(*frames(0, 300))
            await until(lambda: rkeys(buffer) == expected(0, 300))
            host.withheld = [span(300, 600)]
            await host.give(*frames(300, 700))
            await until(lambda: faults(run, "gap") == 1)
            host.withheld = []
            await until(lambda: rkeys(buffer) == expected(0, 1000))
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_a_hole_that_turns_out_to_be_none_while_it_is_judged_is_no_gap(
    buffer: Buffer, settings: Settings
) -> None:
    async with jetstream_host() as one, jetstream_host() as two:
        tuning = chosen(settings, one, two, bluelake_hosts_compared=2, host_silent_seconds=20)
        async with running(tuning, buffer) as run:
            for host in (one, two):
                await host.give(*frames(0, 300))
            await until(lambda: run.metric("bluelake_ingest_connected") == 2 and len(rkeys(buffer)) == 300)
            # Some events of one host are odd and it falls quiet; the other one does not come to them.
            await one.give(*frames(2300, 4))
            state = run.ingester._hosts.states[one.url]
            await until(lambda: state.open_hole is not None)
            for host in (one, two):
                await host.give(*frames(300, 100))
            await until(lambda: rkeys(buffer) == expected(0, 400) | expected(2300, 2304))
            assert state.open_hole is None
            for host in (one, two):
                await host.give(*frames(400, 100))
            await until(lambda: rkeys(buffer) == expected(0, 500) | expected(2300, 2304))
            assert not run.task.done()
        assert notices(buffer, "gaps") == []


@pytest.mark.parametrize(
    ("first_seq", "reason", "asked_twice"),
    [(1, "silent", True), (900_000 - 1800, "renumbered", True), (900_000, "", False)],
    ids=["number unused yet", "number of another event", "same numbers"],
)
@pytest.mark.anyio
async def test_a_host_that_counts_anew_is_asked_by_time(
    buffer: Buffer, settings: Settings, first_seq: int, reason: str, asked_twice: bool
) -> None:
    async with jetstream_host("v2") as host:
        host.first_seq = 900_000
        tuning = chosen(settings, host, host_silent_seconds=0.5)
        async with running(tuning, buffer):
            await host.give(*frames(0, 300))
            await until(lambda: rkeys(buffer) == expected(0, 300))
        host.first_seq = first_seq
        last = 900_000 + 3 * 295
        async with running(tuning, buffer) as run:
            # With numbers of its own it has nothing yet at that one, or something 6 s later.
            await host.give(*frames(300, 1200))
            await until(lambda: rkeys(buffer) == expected(0, 1500))
            assert not reason or faults(run, reason) == 1
        assert host.cursors[:2] == [START_US, last]
        assert host.cursors[2:] == ([START_US + 295 * 10_000 - MARGIN_US] if asked_twice else [])
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_a_number_that_would_be_taken_for_a_time_is_not_asked_for(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host("v2") as host:
        host.first_seq = 10**15
        for first in (0, 100):

            def all_came(last: int = first + 100) -> bool:
                return rkeys(buffer) == expected(0, last)

            async with running(chosen(settings, host), buffer):
                await host.give(*frames(first, 100))
                await until(all_came)
        assert host.cursors == [START_US, START_US + 95 * 10_000 - MARGIN_US]


@pytest.mark.anyio
async def test_what_was_drained_is_resumed_on_another_host_from_the_lakes_watermark(
    buffer: Buffer, settings: Settings
) -> None:
    async with jetstream_host("v2") as host:
        await host.give(*frames(0, 1000))
        cursors = {"gone:1": Cursor(START_US + 500 * 10_000, 12), host.name: Cursor(START_US, host.seq(0))}
        write_watermark(settings.watermark_path, Watermark(3, 3, cursors))
        async with running(chosen(settings, host), buffer):
            await until(lambda: rkeys(buffer) == expected(100, 1000))
            assert host.cursors == [START_US + 500 * 10_000 - FAILOVER_SECONDS * SECOND_US]
