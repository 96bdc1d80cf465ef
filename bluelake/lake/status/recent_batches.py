"""The batches that were written lately: how many of their events were rejected, and why."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from bluelake.core import clock
from bluelake.core.clock import to_us
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.query import connect, scan
from bluelake.lake.tables import BATCHES

# Who looks every few minutes sees each batch of a catch-up, which writes several in a row, in the worst of so many seconds.
ALERT_SECONDS = 900.0
# Over so many seconds rejects are counted by their reason.
REASONS_SECONDS = 86_400.0
_MEMORY_MB = 64
# A seal writes batches of any age anew, so that a file's own time does not bound how many are read; no batch takes so long.
_LONGEST_BATCH_US = 86_400_000_000

_decode_counts = msgspec.json.Decoder(dict[str, int]).decode


@dataclass(frozen=True)
class RecentBatch:
    """What one batch says of its rejects. `written_at`: UTC. `rejects`: frames that could not be rows, however often the same
    one came; so `rejects_by_reason`."""

    written_at: datetime
    events: int
    rejects: int
    rejects_by_reason: Mapping[str, int]

    @property
    def reject_ratio(self) -> float:
        """Share of its events that were rejected, 0 to 1."""
        return self.rejects / max(self.events, 1)


def read_recent(settings: Settings, store: Store, since: datetime) -> list[RecentBatch]:
    """The batches that were written at `since` or later, in no particular order; none that was written in a time yet to come,
    as by a machine whose clock was wrong: it would count as recent for as long.

    What is read does not grow with the age of the lake. Raises LakeError, OSError, duckdb.Error, DeltaError.
    """
    since_us, until = to_us(since), clock.now() + timedelta(seconds=ALERT_SECONDS)
    files = [
        file
        for file in store.files(BATCHES.name)
        if file.added_us >= since_us and file.last_us >= since_us - _LONGEST_BATCH_US
    ]
    if not files:
        return []
    with connect(settings, memory_mb=_MEMORY_MB, threads=1) as connection:
        rows = connection.execute(
            "SELECT event_at + to_milliseconds(duration_ms) AS written_at, events_in, rejects, rejects_by_reason "
            f"FROM {scan(BATCHES, files)} WHERE written_at BETWEEN ? AND ?",
            [since, until],
        ).fetchall()
    return [
        RecentBatch(written_at, events, rejects, _decode_counts(reasons))
        for written_at, events, rejects, reasons in rows
    ]


def worst(batches: Iterable[RecentBatch], now: datetime) -> RecentBatch | None:
    """The one with the greatest share of rejects, the newest of equals, of those written in the last ALERT_SECONDS before
    `now`; the newest of all where drains are rarer; None for no batches."""
    known = list(batches)
    lately = [batch for batch in known if batch.written_at >= now - timedelta(seconds=ALERT_SECONDS)]
    newest = max(known, key=lambda batch: batch.written_at, default=None)
    return max(lately, key=lambda batch: (batch.reject_ratio, batch.written_at), default=newest)


def count_reasons(batches: Iterable[RecentBatch]) -> Counter[str]:
    """All their rejects by reason."""
    total: Counter[str] = Counter()
    for batch in batches:
        total.update(batch.rejects_by_reason)
    return total
