"""The facts, each read by itself."""

import socket
import time
from datetime import timedelta

import pytest

from bluelake.buffer.errors import BufferError
from bluelake.core.settings import Settings
from bluelake.lake.status.collector import (
    REDIS_TIMEOUT_SECONDS,
    Collector,
    LakeFacts,
    MaintainFacts,
    PendingPurgeFacts,
    UnreadableFactError,
    ViewsFacts,
    WaitingHours,
)
from bluelake.lake.status.parts import Part, status
from tests.support.lakes import Lake
from tests.support.rows import NOON, SECOND, batch, post

GAP = {"event_at": NOON, "from_at": NOON, "to_at": NOON + 60 * SECOND, "host": "ws://one", "cause": "host_skipped"}


def test_an_empty_lake_has_every_fact(lake_settings: Settings) -> None:
    collector = Collector(lake_settings, Lake(lake_settings).store)
    assert collector.process("drain").status is None
    assert collector.lake() == LakeFacts(0, None)
    assert collector.batches(9) == []
    assert (collector.rejects(NOON).worst, collector.rejects(NOON).worst_ratio, collector.rejects(NOON).alert) == (
        None,
        0,
        False,
    )
    assert (collector.gaps().open, collector.gaps().missing_seconds) == ([], 0)
    assert collector.views() == ViewsFacts(None, None, None)
    assert (collector.seal(NOON).status, collector.seal(NOON).waiting) == (None, WaitingHours())
    assert collector.maintain() == MaintainFacts(None, None)
    assert collector.pending_purge() == PendingPurgeFacts(0, None)


def test_an_hour_of_two_tables_waits_once(lake_settings: Settings) -> None:
    lake = Lake(lake_settings)
    lake.write([post("x"), post("y", rkey="2", at=NOON + timedelta(hours=1))], batches=[batch(NOON)])
    waiting = Collector(lake_settings, lake.store).waiting_hours(NOON + timedelta(days=1))
    assert (waiting.count, waiting.oldest) == (2, "2026-07-04T12")


def test_the_newest_batches_come_first(lake_settings: Settings) -> None:
    lake = Lake(lake_settings)
    for minutes in (1, 3, 2):
        lake.write(batches=[batch(NOON, at=NOON + timedelta(minutes=minutes), events_in=minutes)])
    collector = Collector(lake_settings, lake.store)
    assert [found.events_in for found in collector.batches(2)] == [3, 2]


def test_gaps_are_read_again_only_when_their_table_changed(lake_settings: Settings) -> None:
    lake = Lake(lake_settings)
    lake.write(gaps=[GAP])
    collector = Collector(lake_settings, lake.store)
    first = collector.gaps()
    lake.write([post("x")])
    assert collector.gaps() is first
    lake.write(gaps=[{**GAP, "repaired_at": NOON}])
    assert (len(first.open), collector.gaps().open) == (1, [])


def test_the_command_line_has_the_whole_reason_and_the_api_one_line_of_it(lake_settings: Settings) -> None:
    lake = Lake(lake_settings)
    lake.write(gaps=[GAP])
    for file in lake.store.root.glob("gaps/year=*/**/*.parquet"):
        file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(UnreadableFactError, match=r"^the gaps cannot be read now: ") as caught:
        Collector(lake_settings, lake.store).gaps()
    (line,) = str(caught.value).splitlines()
    assert line == f"the gaps cannot be read now: {caught.value.reason.splitlines()[0]}"
    assert [part for part in status(lake_settings) if part.name == "gaps"] == [
        Part("gaps", False, "down", caught.value.reason)
    ]


def test_a_redis_that_hangs_is_given_up_within_its_bound(lake_settings: Settings) -> None:
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen()
        url = f"redis://127.0.0.1:{hanging.getsockname()[1]}/0"
        settings = lake_settings.model_copy(update={"redis_url": url})
        collector = Collector(settings, Lake(settings).store)
        started = time.monotonic()
        with pytest.raises(BufferError):
            collector.buffer()
    # Not the ten seconds that a drain waits; a busy machine adds some of its own.
    assert time.monotonic() - started < REDIS_TIMEOUT_SECONDS + 8
