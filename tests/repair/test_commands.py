"""`bluelake replay` and `bluelake backfill` as a person calls them."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.drain import drain
from harness.simulator.options import SimulatorOptions
from tests.support.frames import NOON_US, commit_frame, record, steady
from tests.support.frames import one_of_each as frames
from tests.support.gaps import found, notice
from tests.support.lakes import rows, values
from tests.support.processes import bluelake, free_port
from tests.support.serving import beside, serving, simulated
from tests.support.simulator import ledger_lines

SECOND = 1_000_000


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    return {"BLUELAKE_HOME": str(settings.home), "REDIS_URL": settings.redis_url}


def test_replay_of_a_file_tells_what_it_did(tmp_path: Path, environment: dict[str, str], settings: Settings) -> None:
    path = record(tmp_path / "frames.ndjson.zst", frames(), compress=True)
    done = bluelake("replay", str(path), "--json", **environment)
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert (told["frames"], told["rows"], told["duplicates"], told["rejects"]) == (18, 15, 1, 2)
    again = json.loads(bluelake("replay", str(path), "--json", **environment).stdout)[0]
    assert (again["rows"], again["duplicates"], again["rejects"]) == (0, 18, 0)
    assert values(settings, "SELECT count(*) FROM likes_all") == [6]


def test_replay_says_what_it_cannot_do(tmp_path: Path, environment: dict[str, str]) -> None:
    nothing = bluelake("replay", **environment)
    assert (nothing.returncode, nothing.stderr) == (
        2, "bluelake: replay: name a FILE, or --from and --to for the drained chunks under raw/\n")  # fmt: skip
    missing = bluelake("replay", str(tmp_path / "none"), **environment)
    assert missing.returncode == 2
    assert "none: no such file" in missing.stderr
    odd = bluelake("replay", "--from", "yesterday", **environment)
    assert odd.returncode == 2
    assert "--from 'yesterday' is neither a duration" in odd.stderr


def test_replay_of_drained_chunks(buffer: Buffer, environment: dict[str, str], settings: Settings) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    span = ("--from", "2026-07-04T11:00:00Z", "--to", "2026-07-04T13:00:00Z")
    (told,) = json.loads(bluelake("replay", *span, "--json", **environment).stdout)
    assert (told["frames"], told["rows"], told["duplicates"], told["gaps_closed"]) == (1, 0, 1, 0)
    assert found(settings) == [(0, 600, True)]


def backfill(environment: dict[str, str], *hosts: str) -> dict[str, int]:
    span = ("--from", "2026-07-04T12:00:00Z", "--to", "2026-07-04T12:10:00Z")
    done = bluelake("backfill", *span, "--json", JETSTREAM_URLS=",".join(hosts), **environment)
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    return dict(told)


def test_backfill_closes_a_gap_from_a_host_that_has_it(
    buffer: Buffer, environment: dict[str, str], settings: Settings
) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    away = f"ws://127.0.0.1:{free_port()}/subscribe"
    served = steady(-120, 700)
    with serving(served) as url:
        told = backfill(environment, away, url)
    # Every ten seconds from -10 s to 610 s, the span and its margins, and five in a row behind that.
    assert (told["rows"], told["gaps_closed"]) == (68, 1)
    assert found(settings) == [(0, 600, False)]
    assert values(settings, "SELECT min(event_at) FROM likes") == [datetime(2026, 7, 4, 11, 59, 50, tzinfo=UTC)]
    assert not list(settings.spill_dir.rglob("backfill-*"))


def test_backfill_takes_from_several_hosts_what_each_has(
    buffer: Buffer, environment: dict[str, str], settings: Settings
) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    late = [*steady(300, 700), commit_frame(rkey="3kend", time_us=NOON_US + 800 * SECOND)]
    with serving(late) as first, serving(steady(0, 320)[:33] + late) as second:
        told = backfill(environment, first, second)
    assert told["rows"] == 67
    assert [gap for gap in found(settings) if gap[2]] == []


def test_backfill_of_what_nobody_has_any_more_leaves_the_gap_open(
    buffer: Buffer, environment: dict[str, str], settings: Settings
) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    with serving(steady(400, 700)) as url:
        told = backfill(environment, url)
    assert told["gaps_closed"] == 0
    assert [gap for gap in found(settings) if gap[2]] == [(0, 410, True)]


@pytest.mark.parametrize(("first", "second"), [((-20, 570), (500, 700)), ((30, 700), (-20, 100))])
def test_backfill_asks_the_next_host_for_the_seconds_at_either_end(
    first: tuple[int, int], second: tuple[int, int], buffer: Buffer, environment: dict[str, str], settings: Settings
) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    # Events from long after the span on end the recording, as they do on a host that goes on.
    end = [commit_frame(rkey=f"3kend{n}", time_us=NOON_US + (2000 + n) * SECOND) for n in range(9)]
    with serving(steady(*first) + end) as one, serving(steady(*second) + end) as other:
        told = backfill(environment, one, other)
    # The one trims the gap, and the other one closes it.
    assert told["gaps_closed"] == 1
    assert [gap for gap in found(settings) if gap[2]] == []


@pytest.mark.parametrize("path", ["/subscribe", ""], ids=["v1", "v2, found out"])
def test_backfill_brings_what_happened_whatever_the_wire(
    path: str, tmp_path: Path, environment: dict[str, str], settings: Settings
) -> None:
    ledger = tmp_path / "ledger"
    options = SimulatorOptions(
        port=0,
        history=timedelta(seconds=900),
        history_rate=4,
        rate=0,
        epoch_us=NOON_US + 660 * SECOND,
        ledger=ledger,
        pregenerate=True,
        sync_share=0.01,
    )
    with beside(simulated(options)) as url:
        told = backfill(environment, url + path)
    span_us = range(NOON_US, NOON_US + 600 * SECOND)
    happened = Counter(
        (line["collection"], line["did"], line["rkey"])
        for line in ledger_lines(ledger)
        if line["table"] == "deletes" and line["time_us"] in span_us and (not path or line["kind"] != "sync")
    )
    assert any(collection == "*" for collection, _, _ in happened) is (not path)
    deletes = rows(
        settings,
        "SELECT collection, did, rkey FROM deletes_all "
        "WHERE event_at >= TIMESTAMPTZ '2026-07-04 12:00:00Z' AND event_at < TIMESTAMPTZ '2026-07-04 12:10:00Z'",
    )
    assert Counter(tuple(row.values()) for row in deletes) == happened
    # What was deleted again stays away; everything else of what was served is a row.
    assert told["rows"] + told["withdrawn"] == told["frames"] > 2000
    assert told["rejects"] == 0


def test_backfill_keeps_what_is_no_event_as_what_it_is_on_its_wire(
    environment: dict[str, str], settings: Settings
) -> None:
    # The first has a $type of the wrong type on v2, and no kind on v1.
    odd = [
        b'{"$type":5}',
        b'{"$type":"message","payload":{"$type":"#info","name":"OutdatedCursor","message":"from 7"}}',
    ]
    with serving([*odd, *steady(-20, 700)], wire="v2") as url:
        done = bluelake(
            "backfill", "--from", "2026-07-04T12:00:00Z", "--to", "2026-07-04T12:10:00Z", "--host", url, **environment
        )
    assert done.returncode == 0, done.stderr
    assert f"bluelake: {url.removeprefix('ws://')} says OutdatedCursor: from 7" in done.stderr.splitlines()
    assert values(settings, "SELECT reason FROM rejects") == ["wrong_type"]


def test_backfill_speaks_the_wire_that_is_set(environment: dict[str, str]) -> None:
    with serving(steady(-20, 700), wire="v2") as url:
        done = bluelake("backfill", "--from", "1h", "--host", url, JETSTREAM_WIRE="v1", **environment)
    assert done.returncode == 1
    assert "does not serve this: refused with HTTP 404" in done.stderr.splitlines()[-1]


def test_backfill_without_a_host_says_so(environment: dict[str, str]) -> None:
    url = f"ws://127.0.0.1:{free_port()}/subscribe"
    done = bluelake("backfill", "--from", "1h", "--host", url, **environment)
    assert done.returncode == 1
    assert "does not serve this" in done.stderr.splitlines()[-1]
