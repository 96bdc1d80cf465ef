"""How far all hosts together have been followed. All times are microseconds since 1970."""

from collections.abc import Iterable

from bluelake.core.watermark import Cursor


def made_us(cursor: Cursor) -> int:
    """When the events at `cursor` were made, by the clock of the revs. An unknown lag counts as 0."""
    return cursor.time_us - (cursor.lag_us or 0)


def newest_us(cursors: Iterable[Cursor], now_us: int) -> int | None:
    """The furthest of `cursors` by the clock of the revs, never beyond `now_us`. None without any.

    A host whose clock is fast, or that lags, must not make another host skip events that it has not served yet.
    """
    newest = max(map(made_us, cursors), default=None)
    return None if newest is None else min(newest, now_us)


def horizon_us(reached: Iterable[Cursor], lag_us: int, start_us: int) -> int:
    """Everything up to here is in Redis or noted as a gap, by the clock of a host with this lag.

    It is `start_us` as long as no host has `reached` anything. A cursor without a lag counts as it is.
    """
    return max((c.time_us if c.lag_us is None else made_us(c) + lag_us for c in reached), default=start_us)


def are_comparable(lag_us: int | None, others: Iterable[Cursor]) -> bool:
    """Whether a host's clock can be compared with those of the `others` that were followed. `lag_us`: None if unknown."""
    lags = [cursor.lag_us for cursor in others]
    return not lags or (lag_us is not None and None not in lags)


def capped_at(cursor: Cursor, now_us: int) -> Cursor:
    """`cursor`, not beyond now. Its lag moves along, so that it still names the same events."""
    ahead_us = max(0, cursor.time_us - now_us)
    lag_us = None if cursor.lag_us is None else cursor.lag_us - ahead_us
    return Cursor(cursor.time_us - ahead_us, cursor.seq, lag_us)
