"""Closing of gaps: a span that somebody fetched later is missing no longer.

The table `gaps` only grows. A repair appends the gap's row again with `repaired_at`. Where a repair covers only a part of
the gap, the rest becomes a gap of its own.

Example: a gap from 12:00 to 12:10, and a recording from 12:00 to 12:05. The repair closes the gap and opens one from
12:05 to 12:10, wider by REWIND_SECONDS at the end that meets the recording.
"""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from bluelake.core.clock import to_datetime, to_us
from bluelake.core.reasons import GapCause
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.hours import Hour
from bluelake.lake.status import Gap, read_gaps
from bluelake.lake.tables import GAPS

APPLICATION = "bluelake-gaps"

# First and last event time, microseconds since 1970.
Span = tuple[int, int]


def close_gaps(
    settings: Settings, store: Store, spans: Sequence[Span], now: datetime, *, vouched: bool = False
) -> list[Gap]:
    """Close the open gaps, or the parts of them, that lie within `spans`. Returns the gaps of which nothing stays open.

    `spans`: event times that the lake now holds, microseconds since 1970. A gap's bounds are wider by REWIND_SECONDS than
    what was missed. So a span may begin later and end earlier by that much. A part that stays open is wider by the same
    amount where it meets a span.
    `vouched`: a person says that nothing is missing in `spans`. Only this closes a gap of a frame that was too large: its
    neighbours in time do not show whether it is there.
    Raises CommitError, OSError.
    """
    margin_us = settings.rewind_us
    closed: list[Gap] = []
    rows: list[tuple[Span, Gap, datetime | None]] = []
    for gap in read_gaps(settings, store):
        if gap.repaired_at is not None or (gap.cause == GapCause.FRAME_TOO_LARGE.value and not vouched):
            continue
        whole = (to_us(gap.from_at), to_us(gap.to_at))
        left = _parts_left(whole, spans, margin_us)
        if left == [whole]:
            continue
        if not left:
            closed.append(gap)
        rows.append((whole, gap, now))
        rows += [(part, gap, None) for part in left]
    if rows:
        version = store.transaction_version(GAPS.name, APPLICATION) + 1
        store.append(GAPS, _arrow(rows), version, {}, application=APPLICATION)
    return closed


def wholly_closed(before: Sequence[Gap], after: Sequence[Gap]) -> list[Gap]:
    """The gaps that were open `before` and of which nothing is open `after` some repairs."""
    open_ = [gap for gap in after if gap.repaired_at is None]
    return [gap for gap in before if gap.repaired_at is None and not any(_is_part(part, gap) for part in open_)]


def _is_part(part: Gap, gap: Gap) -> bool:
    same = (part.host, part.cause) == (gap.host, gap.cause)
    return same and gap.from_at <= part.from_at and part.to_at <= gap.to_at


def _parts_left(whole: Span, spans: Sequence[Span], margin_us: int) -> list[Span]:
    """The parts of `whole` that lie in none of `spans`, each wider by `margin_us` where it meets a span."""
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
        row = {"event_at": from_at, "from_at": from_at, "to_at": to_datetime(end), "host": gap.host, "cause": gap.cause}
        columns.append({**row, "repaired_at": repaired_at, **Hour.of(start).partition})
    return pa.Table.from_pylist(columns, schema=GAPS.schema)
