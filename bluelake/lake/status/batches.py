"""The rows of the table `batches`: the newest ones, the recent ones, and the rejects in them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from bluelake.core import clock
from bluelake.core.clock import to_us
from bluelake.core.settings import Settings
from bluelake.lake.delta import DataFile, Store
from bluelake.lake.query import connect, scan
from bluelake.lake.tables import BATCHES

# A catch-up writes several batches in a row. Somebody who looks once in so many seconds sees the worst of them.
ALERT_SECONDS = 900.0
# Rejects are counted by reason over so many seconds.
RECENT_SECONDS = 86_400.0
_MEMORY_MB = 64
# A seal rewrites batches of any age, so a file's own time does not bound how many are read. No batch takes this long.
_LONGEST_BATCH_US = 86_400_000_000

_decode_counts = msgspec.json.Decoder(dict[str, int]).decode


@dataclass(frozen=True)
class BatchRow:
    """One row of the table `batches`. Times are UTC.

    `newest_event_at` is None for a batch without events. `rejects` and `rejects_by_reason` count frames that cannot be
    rows. A frame that comes twice counts twice.
    """

    event_at: datetime
    duration_ms: int
    first_flush: int
    last_flush: int
    events_in: int
    rows_out: int
    duplicates: int
    rejects: int
    rejects_by_reason: Mapping[str, int]
    bytes_raw: int
    bytes_stored: int
    newest_event_at: datetime | None

    @property
    def written_at(self) -> datetime:
        """When the drain finished the batch, UTC."""
        return self.event_at + timedelta(milliseconds=self.duration_ms)

    @property
    def reject_ratio(self) -> float:
        """The share of its events that were rejected, 0 to 1."""
        return self.rejects / max(self.events_in, 1)

    def age_seconds(self, now: datetime) -> float | None:
        """How long before `now` its newest event was; None for a batch without events."""
        return None if self.newest_event_at is None else (now - self.newest_event_at).total_seconds()


def read_newest(settings: Settings, store: Store, limit: int) -> list[BatchRow]:
    """The newest `limit` batches, newest first. Raises LakeError, OSError, duckdb.Error, DeltaError."""
    # A batch is a file of its own until a seal merges an hour of them.
    files = sorted(store.files(BATCHES.name), key=lambda file: file.last_us)[-limit:]
    return _read(settings, files, "ORDER BY event_at DESC, last_flush DESC LIMIT ?", [limit])


def read_recent(settings: Settings, store: Store, since: datetime) -> list[BatchRow]:
    """The batches that were written at `since` or later, in no particular order.

    Leaves out batches from the future: a machine with a wrong clock wrote them, and they would stay recent for long.
    The amount that is read does not grow with the age of the lake.
    Raises LakeError, OSError, duckdb.Error, DeltaError.
    """
    since_us, until = to_us(since), clock.now() + timedelta(seconds=ALERT_SECONDS)
    files = [
        file
        for file in store.files(BATCHES.name)
        if file.added_us >= since_us and file.last_us >= since_us - _LONGEST_BATCH_US
    ]
    if not files:
        return []
    return _read(settings, files, "WHERE event_at + to_milliseconds(duration_ms) BETWEEN ? AND ?", [since, until])


def most_rejected(batches: Iterable[BatchRow], now: datetime) -> BatchRow | None:
    """The batch with the greatest share of rejects among those written in the last ALERT_SECONDS before `now`.

    The newest of equals. The newest of all where none is that recent. None for no batches.
    """
    known = list(batches)
    lately = [batch for batch in known if batch.written_at >= now - timedelta(seconds=ALERT_SECONDS)]
    newest = max(known, key=lambda batch: batch.written_at, default=None)
    return max(lately, key=lambda batch: (batch.reject_ratio, batch.written_at), default=newest)


def sum_rejects_by_reason(batches: Iterable[BatchRow]) -> Counter[str]:
    """The rejects of all `batches`, by reason."""
    total: Counter[str] = Counter()
    for batch in batches:
        total.update(batch.rejects_by_reason)
    return total


def _read(settings: Settings, files: Sequence[DataFile], clauses: str, parameters: list[object]) -> list[BatchRow]:
    columns = list(BatchRow.__dataclass_fields__)
    with connect(settings, memory_mb=_MEMORY_MB, threads=1) as connection:
        rows = connection.execute(
            f"SELECT {', '.join(columns)} FROM {scan(BATCHES, files)} {clauses}", parameters
        ).fetchall()
    named = (dict(zip(columns, row, strict=True)) for row in rows)
    return [BatchRow(**{**row, "rejects_by_reason": _decode_counts(row["rejects_by_reason"])}) for row in named]
