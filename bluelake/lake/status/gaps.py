"""Gaps: spans of time whose events no host served. Each is shown until a repair of its span closes it.

The table `gaps` only grows: a repair appends the gap's row again with `repaired_at`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bluelake.core.clock import to_us
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.query import connect, current_rows
from bluelake.lake.tables import GAPS

_MEMORY_MB = 64


@dataclass(frozen=True)
class Gap:
    """One gap: `host` did not serve `from_at` to `to_at` (UTC) because of `cause`. Open while `repaired_at` is None."""

    from_at: datetime
    to_at: datetime
    host: str
    cause: str
    repaired_at: datetime | None

    @property
    def seconds(self) -> float:
        """Its length, seconds."""
        return (self.to_at - self.from_at).total_seconds()


def read_gaps(settings: Settings, store: Store) -> list[Gap]:
    """The gaps of the lake, each in its newest state: the open ones first, then the repaired, each newest first.

    Raises LakeError, OSError, duckdb.Error, DeltaError.
    """
    if not store.files(GAPS.name):
        return []
    with connect(settings, memory_mb=_MEMORY_MB, threads=1) as connection:
        rows = connection.execute(
            f"SELECT from_at, to_at, host, cause, repaired_at FROM {current_rows(store, GAPS.name)} "
            "ORDER BY repaired_at IS NOT NULL, from_at DESC, to_at, host, cause"
        ).fetchall()
    return [Gap(*row) for row in rows]


def missing_seconds(gaps: Iterable[Gap]) -> float:
    """How many seconds lie in an open gap; overlapping gaps count once."""
    total_us, reached = 0, 0
    for start, end in sorted((to_us(gap.from_at), to_us(gap.to_at)) for gap in gaps if gap.repaired_at is None):
        total_us += max(end - max(start, reached), 0)
        reached = max(reached, end)
    return total_us / 1e6


def describe(gaps: Sequence[Gap]) -> str:
    """The open gaps in one line for a person: their number, their length, and the newest with its bounds and cause."""
    open_ = [gap for gap in gaps if gap.repaired_at is None]
    if not open_:
        return f"none open, {len(gaps)} repaired" if gaps else "none"
    newest = open_[0]
    return (
        f"{len(open_)} open, {missing_seconds(open_):,.0f} s in all; the newest is {_rfc3339(newest.from_at)} to "
        f"{_rfc3339(newest.to_at)}, {newest.cause} at {newest.host}; `bluelake backfill` fetches what a host still has"
    )


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
