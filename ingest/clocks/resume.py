"""Where a connection begins. All times are microseconds since 1970."""

from bluelake.core.watermark import Cursor

# A v2 host takes a cursor of this much or more for a time.
FIRST_TIME = 10**15


def earliest_us(made_us: int, lag_us: int) -> int:
    """The earliest time that a host with this lag may have given to an event made at `made_us`, by the clock of the revs.

    A host that lagged may have caught up since. A clock that is slow stays slow.
    """
    return made_us + min(0, lag_us)


def resume_position(
    *,
    now_us: int,
    start_us: int,
    newest_us: int | None,
    own: Cursor | None,
    lag_us: int,
    rewind_us: int,
    failover_rewind_us: int,
    asks_by_number: bool = False,
    renumbered_seq: int | None = None,
    suspect_from_us: int | None = None,
    skip_to_us: int | None = None,
    skipped_us: int | None = None,
) -> Cursor:
    """Where one host is asked to begin.

    A host's own cursor is good while it is among the newest. Else the host is asked by time, behind the newest cursor of any
    host. `failover_rewind_us` leaves room for the difference between the hosts' clocks.

    `start_us`: where the very first run begins. `newest_us`: how far any host was followed, by the clock of the revs; None for
    none. `own`: the host's cursor. `lag_us`: the host's lag now, 0 if unknown. `asks_by_number`: the host takes sequence
    numbers. `renumbered_seq`: a number that no longer means the same event there. `suspect_from_us`: from here on another host
    may have left events out. `skip_to_us`: behind a frame that cannot be received. `skipped_us`: where the stream went on
    behind such a frame before; that frame is not asked for again.
    """
    if skip_to_us is not None:
        return Cursor(min(skip_to_us, now_us))
    if newest_us is None:
        return Cursor(start_us)
    if suspect_from_us is not None:
        newest_us = min(suspect_from_us, newest_us)
    failover_us = earliest_us(newest_us, lag_us) - failover_rewind_us
    if suspect_from_us is not None or own is None or own.time_us < failover_us:
        return Cursor(failover_us)
    # The host's clock may have been set back since then.
    set_back_us = 0 if own.lag_us is None else max(0, own.lag_us - lag_us)
    rewound_us = own.time_us - set_back_us - rewind_us
    if skipped_us is not None and rewound_us <= skipped_us:
        return Cursor(skipped_us)
    if not asks_by_number or own.seq is None or own.seq >= FIRST_TIME or own.seq == renumbered_seq:
        return Cursor(rewound_us)
    return Cursor(rewound_us, own.seq)
