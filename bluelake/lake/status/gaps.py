"""Gaps: spans of time whose events a host did not serve. They are never silent, and a replay of their span closes them.

The table `gaps` only grows: a repair appends the gap's row again with `repaired_at`, and where only a part of it was repaired,
what is left of it as a gap of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from bluelake.core.clock import to_datetime, to_us
from bluelake.core.reasons import GapCause
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.query import connect, current_rows
from bluelake.lake.tables import GAPS

APPLICATION = "bluelake-gaps"
_MEMORY_MB = 64


@dataclass(frozen=True)
class Gap:
    """One gap: `from_at` to `to_at` (UTC) were not served by `host` because of `cause`; repaired at `repaired_at`, or open."""

    from_at: datetime
    to_at: datetime
    host: str
    cause: str
    repaired_at: datetime | None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.to_at - self.from_at).total_seconds()


Span = tuple[int, int]


def read_gaps(settings: Settings, store: Store) -> list[Gap]:
    """The gaps of the lake, each in its newest state: the open ones first, then the repaired, each newest first."""
    if not store.files(GAPS.name):
        return []
    with connect(settings, memory_mb=_MEMORY_MB, threads=1) as connection:
        rows = connection.execute(
            f"SELECT from_at, to_at, host, cause, repaired_at FROM {current_rows(store, GAPS.name)} "
            "ORDER BY repaired_at IS NOT NULL, from_at DESC, to_at, host, cause"
        ).fetchall()
    return [Gap(*row) for row in rows]


def missing_seconds(gaps: Iterable[Gap]) -> float:
    """How many seconds lie in an open gap; where gaps overlap, once."""
    total_us, reached = 0, 0
    for start, end in sorted((to_us(gap.from_at), to_us(gap.to_at)) for gap in gaps if gap.repaired_at is None):
        total_us += max(end - max(start, reached), 0)
        reached = max(reached, end)
    return total_us / 1e6


def describe(gaps: Sequence[Gap]) -> str:
    """The open ones of `gaps` in one line for a person: how many, how long, and the newest with its bounds and cause."""
    open_ = [gap for gap in gaps if gap.repaired_at is None]
    if not open_:
        return f"none open, {len(gaps)} repaired" if gaps else "none"
    newest = open_[0]
    return (
        f"{len(open_)} open, {missing_seconds(open_):,.0f} s in all; the newest is {_rfc3339(newest.from_at)} to "
        f"{_rfc3339(newest.to_at)}, {newest.cause} at {newest.host}; `bluelake backfill` fetches what a host still has"
    )


def close_gaps(
    settings: Settings, store: Store, spans: Sequence[Span], now: datetime, *, vouched: bool = False
) -> list[Gap]:
    """Close the open gaps, or the parts of them, that lie within `spans`. Returns those that are closed, as they were.

    `spans`: of event times that were really had, microseconds since 1970. A gap's bounds are wider by REWIND_SECONDS than what
    was missed, so a span may begin by so much later, and end by so much earlier; a part that is left open is wider by as much
    where it meets what was had. `vouched`: whether somebody says that nothing is missing in them, also no single frame that
    was too large, whose lack nobody can see in what comes before and after it. Raises CommitError, OSError.
    """
    margin_us = settings.rewind_us
    closed: list[Gap] = []
    rows: list[tuple[Span, Gap, datetime | None]] = []
    for gap in read_gaps(settings, store):
        if gap.repaired_at is not None or (gap.cause == GapCause.FRAME_TOO_LARGE.value and not vouched):
            continue
        whole = (to_us(gap.from_at), to_us(gap.to_at))
        left = _left(whole, spans, margin_us)
        if left == [whole]:
            continue
        closed.append(gap)
        rows.append((whole, gap, now))
        rows += [(part, gap, None) for part in left]
    if rows:
        version = store.transaction_version(GAPS.name, APPLICATION) + 1
        store.append(GAPS, _arrow(rows), version, {}, application=APPLICATION)
    return closed


def _left(whole: Span, spans: Sequence[Span], margin_us: int) -> list[Span]:
    """What of `whole` lies in none of `spans`, wider by `margin_us` than that is, as `whole` is itself."""
    left = [whole]
    for first, last in spans:
        pieces: list[Span] = []
        for start, end in left:
            had_from = start if first - margin_us <= start else first + margin_us
            had_to = end if last + margin_us >= end else last - margin_us
            if had_from >= had_to or min(last, end) <= max(first, start):
                pieces.append((start, end))
                continue
            pieces += [(start, had_from)] if start < had_from else []
            pieces += [(had_to, end)] if had_to < end else []
        left = pieces
    return left


def _arrow(rows: Sequence[tuple[Span, Gap, datetime | None]]) -> pa.Table:
    columns = []
    for (start, end), gap, repaired_at in rows:
        from_at = to_datetime(start)
        hour = dict(zip(("year", "month", "day", "hour"), f"{from_at:%Y %m %d %H}".split(), strict=True))
        row = {"event_at": from_at, "from_at": from_at, "to_at": to_datetime(end), "host": gap.host, "cause": gap.cause}
        columns.append({**row, "repaired_at": repaired_at, **hour})
    return pa.Table.from_pylist(columns, schema=GAPS.schema)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
