"""The batches that were written lately, of real drains."""

from datetime import datetime, timedelta
from pathlib import Path

from bluelake.buffer.client import Buffer
from bluelake.core import clock
from bluelake.core.settings import Settings
from bluelake.lake.compaction import seal
from bluelake.lake.delta import Store
from bluelake.lake.drain import drain
from bluelake.lake.status.batches import BatchRow, most_rejected, read_recent, sum_rejects_by_reason
from tests.support.buffers import feed
from tests.support.frames import commit_frame
from tests.support.lakes import Lake
from tests.support.rows import NOON, batch

MINUTE = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)


def row(written_at: datetime, events_in: int, rejects: int) -> BatchRow:
    """A batch that took no time."""
    return BatchRow(written_at, 0, 1, 1, events_in, 0, 0, rejects, {}, 0, 0, None)


def test_a_batch_is_recent_by_when_it_was_written(buffer: Buffer, settings: Settings) -> None:
    for frames in ([commit_frame(), b"junk"], [commit_frame(rkey="3kb"), b"junk", b"junk"]):
        feed(buffer, frames)
        drain(settings)
    store = Store(settings.lake_dir)

    first, second = sorted(read_recent(settings, store, NOON), key=lambda found: found.written_at)

    assert (first.events_in, first.rejects, first.rejects_by_reason) == (2, 1, {"not_json": 1})
    assert (second.events_in, second.rejects, second.rejects_by_reason) == (3, 2, {"not_json": 2})
    assert sum_rejects_by_reason([first, second]) == {"not_json": 3}
    assert read_recent(settings, store, second.written_at) == [second]
    assert read_recent(settings, store, second.written_at + MILLISECOND) == []
    # Sealed, they are in other files.
    files = {file.path for file in store.files("batches")}
    seal(settings, second.written_at + 120 * MINUTE)
    assert files.isdisjoint(file.path for file in store.files("batches"))
    assert read_recent(settings, store, second.written_at) == [second]


def test_the_worst_is_of_the_last_fifteen_minutes() -> None:
    bad, good = row(NOON, 4, 2), row(NOON + MINUTE, 100, 3)

    assert most_rejected([good, bad], NOON + 15 * MINUTE) == bad
    assert most_rejected([good, bad], NOON + 15 * MINUTE + MILLISECOND) == good
    assert most_rejected([], NOON) is None
    # Who drains once an hour is told of the last one meanwhile.
    assert most_rejected([good, bad], NOON + 17 * MINUTE) == good
    same = row(NOON + MINUTE, 2, 1)
    assert most_rejected([bad, same, good], NOON + 15 * MINUTE) == same


def test_a_batch_of_a_time_yet_to_come_is_not_recent(lake_settings: Settings) -> None:
    lake = Lake(lake_settings)
    lake.write(batches=[batch(clock.now() + timedelta(days=300))])

    assert read_recent(lake_settings, lake.store, clock.now() - timedelta(days=1)) == []


def test_old_batches_are_not_read_though_their_file_is_new(lake_settings: Settings) -> None:
    """As after a seal of hours of long ago."""
    lake = Lake(lake_settings)
    lake.write(batches=[batch(NOON)])
    (file,) = lake.store.files("batches")
    since = NOON + timedelta(days=1, hours=2)
    assert file.added_us > since.timestamp() * 1e6
    path = Path(file.path)
    path.write_bytes(bytes(path.stat().st_size))

    assert read_recent(lake_settings, lake.store, since) == []
