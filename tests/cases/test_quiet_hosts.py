"""Case 17 and its kind: hosts with an event every few minutes, and hosts whose events tell odd times."""

import json
from functools import partial
from itertools import accumulate

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.clock import now_us
from bluelake.core.settings import Settings
from bluelake.core.watermark import Cursor, Watermark, write_watermark
from bluelake.lake.drain import drain
from tests.support.frames import commit_frame
from tests.support.ingester import (
    REWIND_SECONDS,
    START_US,
    Run,
    expected,
    frames,
    held,
    notices,
    rkeys,
    running,
    tuned,
    until,
)
from tests.support.jetstream_host import JetstreamHost, jetstream_host
from tests.support.lakes import rows
from tests.support.paths import case_frames

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
CASE_START_US = 1_795_847_636_808_797


def likes(*minutes: float) -> list[bytes]:
    """Likes at so many minutes after START_US less two days, ."""
    begun_us = START_US - 2 * DAY_US
    return [_like(number, begun_us + int(at * MINUTE_US)) for number, at in enumerate(minutes)]


def _like(number: int, time_us: int) -> bytes:
    return commit_frame(rkey=f"3q{number:05d}", rev=time_us << 10, time_us=time_us)


def keys(given: list[bytes]) -> set[str]:
    return {json.loads(frame)["commit"]["rkey"] for frame in given}


def quiet(settings: Settings, *urls: str, **more: object) -> Settings:
    """Settings for a first run that begins at the first of `likes`."""
    return tuned(settings, *urls, **{"jetstream_start": str(START_US - 2 * DAY_US), **more})


@pytest.mark.parametrize("before_us", [0, HOUR_US, 20 * DAY_US], ids=["at once", "an hour before", "weeks before"])
@pytest.mark.anyio
async def test_case_17_a_quiet_host_has_no_gap(buffer: Buffer, settings: Settings, before_us: int) -> None:
    given = case_frames("17-quiet-host")
    async with jetstream_host() as host:
        start = str(CASE_START_US - before_us)
        async with running(tuned(settings, host.url, jetstream_start=start), buffer) as run:
            await host.give(*given)
            await until(lambda: set(held(buffer)) == set(given))
            assert run.metric("bluelake_ingest_host_faults_total", reason="gap") == 0
        assert host.cursors == [CASE_START_US - before_us]
        assert notices(buffer, "gaps") == []
    drain(settings)
    assert rows(settings, "SELECT (SELECT count(*) FROM posts) AS posts, (SELECT count(*) FROM gaps) AS gaps") == [
        {"posts": 29, "gaps": 0}
    ]


# Minutes between an event and the one before.
PACES = {
    "every four minutes": [4.0] * 40,
    "every ten minutes": [10.0] * 40,
    "uneven": [1.5, 7, 2, 19, 3, 1.2, 11, 2, 2, 6] * 4,
    "two at once": [4, 0.001] * 20,
    "three at once, a night between": [6, 0.01, 0.02] * 7 + [500] + [6, 0.01, 0.02] * 7,
}


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.parametrize("pace", PACES.values(), ids=PACES)
@pytest.mark.anyio
async def test_a_quiet_hosts_history_has_no_gap(
    buffer: Buffer, settings: Settings, wire: str, pace: list[float]
) -> None:
    given = likes(*accumulate(pace))
    async with jetstream_host(wire) as host:
        await host.give(*given)
        for _ in range(2):
            async with running(quiet(settings, host.url), buffer):
                await until(lambda: rkeys(buffer) == keys(given))
        assert notices(buffer, "gaps") == []


@pytest.mark.anyio
async def test_a_quiet_hosts_events_are_held_back_for_seconds_only(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is in Redis before the next one is there. The host is left as silent between them, as in life."""
    monkeypatch.setattr("ingest.continuity.CONFIRMING_SECONDS", 0.3)
    given = likes(*range(4, 60, 4))
    async with jetstream_host() as host:
        tuning = quiet(settings, host.url, host_silent_seconds=0.8)
        async with running(tuning, buffer) as run:
            for number, frame in enumerate(given, start=1):
                await host.give(frame)
                await until(partial(_has, buffer, keys(given[:number])), 10)
                if number % 3 == 0:
                    await until(partial(_more_silent, run, _silent(run)))
        assert notices(buffer, "gaps") == []


def _asked(host: JetstreamHost, times: int) -> bool:
    return len(host.cursors) == times


def _has(buffer: Buffer, wanted: set[str]) -> bool:
    return rkeys(buffer) == wanted


def _silent(run: Run) -> float:
    return run.metric("bluelake_ingest_host_faults_total", reason="silent")


def _more_silent(run: Run, before: float) -> bool:
    return _silent(run) > before


@pytest.mark.anyio
async def test_a_quiet_host_that_has_lost_days_is_a_gap(buffer: Buffer, settings: Settings) -> None:
    """It was followed to the hour 0, and its replay begins at the hour 30."""
    given = likes(*(30 * 60 + number * 4 for number in range(20)))
    async with jetstream_host() as host:
        await host.give(*given)
        cursor_us = START_US - 2 * DAY_US
        write_watermark(settings.watermark_path, Watermark(3, 3, {host.name: Cursor(cursor_us, None, 0)}))
        async with running(quiet(settings, host.url), buffer):
            await until(lambda: rkeys(buffer) == keys(given))
        (gap,) = notices(buffer, "gaps")
        assert gap["cause"] == "replay_starts_late"
        assert int(str(gap["from_us"])) < cursor_us + SECOND_US
        assert int(str(gap["to_us"])) > cursor_us + 30 * HOUR_US


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.parametrize("step_us", [10_000, 1_500_000], ids=["busy", "an event every 1.5 s"])
@pytest.mark.anyio
async def test_a_real_hole_is_still_found(buffer: Buffer, settings: Settings, wire: str, step_us: int) -> None:
    begun_us = START_US - DAY_US
    before = [_like(number, begun_us + number * step_us) for number in range(60)]
    hole_us = begun_us + 59 * step_us
    after = [_like(number, hole_us + 10 * MINUTE_US + number * step_us) for number in range(60, 120)]
    async with jetstream_host(wire) as host:
        await host.give(*before, *after)
        async with running(tuned(settings, host.url, jetstream_start=str(begun_us)), buffer):
            await until(lambda: rkeys(buffer) == keys(before + after))
        (gap,) = notices(buffer, "gaps")
        assert gap["cause"] == "host_skipped"
        assert int(str(gap["from_us"])) <= hole_us
        assert int(str(gap["to_us"])) >= hole_us + 10 * MINUTE_US


@pytest.mark.parametrize("quiet_minutes", [2, 60, 3000])
@pytest.mark.parametrize("events", [5, 60], ids=["a few behind it", "many"])
@pytest.mark.anyio
async def test_a_resume_by_the_hosts_own_number_has_no_gap(
    buffer: Buffer, settings: Settings, quiet_minutes: int, events: int
) -> None:
    begun_us = START_US - 4 * DAY_US
    before = [_like(number, begun_us + number * 10_000) for number in range(100)]
    later_us = begun_us + quiet_minutes * MINUTE_US
    after = [_like(number, later_us + number * 10_000) for number in range(100, 100 + events)]
    async with jetstream_host("v2") as host:
        tuning = tuned(settings, host.url, jetstream_start=str(begun_us))
        async with running(tuning, buffer):
            await host.give(*before)
            await until(lambda: rkeys(buffer) == keys(before))
        async with running(tuning, buffer):
            await host.give(*after)
            await until(lambda: rkeys(buffer) == keys(before + after))
        assert host.cursors == [begun_us, host.seq(95)]
        assert notices(buffer, "gaps") == []


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.parametrize("imported", [1, 4, 300])
@pytest.mark.parametrize("year", [1975, 2010, 2021, 2024])
@pytest.mark.anyio
async def test_an_imported_time_is_an_odd_event_and_no_hole(
    buffer: Buffer, settings: Settings, wire: str, imported: int, year: int
) -> None:
    old_us = (year - 1970) * 365 * DAY_US
    odd = [
        commit_frame(rkey=f"3i{number:05d}", rev=START_US << 10, time_us=old_us + number) for number in range(imported)
    ]
    given = [*frames(0, 500), *odd, *frames(500, 500), *odd[:9], *frames(1000, 100)]
    async with jetstream_host(wire) as host:
        host.imported = set(odd)
        tuning = tuned(settings, host.url, gap_seconds=1)
        async with running(tuning, buffer) as run:
            for start in range(0, len(given), 100):
                await host.give(*given[start : start + 100])
            await until(lambda: rkeys(buffer) == expected(0, 1100) | keys(odd))
            assert len(host.cursors) == 1
            await host.drop()
            await until(lambda: len(host.cursors) == 2)
            assert run.metric("bluelake_ingest_rejects_total", reason="time_out_of_range") == 0
        # The last frame but four, as if nothing had been imported.
        number = len(given) - 5
        asked_us = START_US + 1095 * 10_000 - REWIND_SECONDS * SECOND_US
        assert host.cursors[1] == (asked_us if wire == "v1" else host.seq(number))
        assert notices(buffer, "gaps") == []
        assert notices(buffer, "rejects") == []
    drain(settings)
    found = rows(settings, f"SELECT count(*) AS n FROM likes WHERE year(event_at) BETWEEN {year - 1} AND {year}")
    assert found == [{"n": imported}]


@pytest.mark.parametrize("step_us", [45 * MINUTE_US, 3 * 365 * DAY_US], ids=["45 minutes", "three years"])
@pytest.mark.anyio
async def test_a_first_run_that_begins_now_asks_for_nothing_before(
    buffer: Buffer, settings: Settings, step_us: int
) -> None:
    begun_us = now_us()
    history = [_like(number, begun_us - 50 * MINUTE_US + number * SECOND_US) for number in range(2900)]
    live = [_like(5000 + number, begun_us + (10 + number) * 1000) for number in range(300)]
    odd = [_like(9000 + number, begun_us - step_us + number) for number in range(100)]
    async with jetstream_host() as host:
        host.imported = set(odd)
        await host.give(*history)
        async with running(tuned(settings, host.url, jetstream_start=str(begun_us)), buffer):
            await until(lambda: host.cursors)
            await host.give(*live[:100])
            await until(lambda: rkeys(buffer) >= keys(live[:100]))
            for number in (100, 200):
                await host.give(*live[number : number + 100], *odd[number // 2 - 50 : number // 2])
                await until(partial(_has, buffer, keys(live[: number + 100] + odd[: number // 2])))
                await host.drop()
                await until(partial(_asked, host, number // 100 + 1))
        assert min(cursor for cursor in host.cursors if cursor) >= begun_us - 2 * SECOND_US
        assert not rkeys(buffer) & keys(history[:-3])
