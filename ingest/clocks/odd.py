"""Where a stream stands, although one of its events has an odd time. Medians of the last events tell."""

from collections.abc import Sequence
from statistics import median_low

from bluelake.core.watermark import Cursor

# The cursor comes from this many last frames of a connection. One frame with an odd time must not move it.
CURSOR_SAMPLE = 9
# A time that is further ahead of those around it does not tell where the stream is.
ODD_US = 1_000_000
# Nor does one that is so much further behind: an operator has imported it. A clock that is set back goes less far.
FAR_BEHIND_US = 86_400_000_000


def typical_cursor(times: Sequence[int], seqs: Sequence[int]) -> Cursor | None:
    """The median of a connection's last `times`, and of its last sequence numbers `seqs`.

    None with fewer than CURSOR_SAMPLE times. The cursor has no sequence number with fewer than CURSOR_SAMPLE of those.
    """
    if len(times) < CURSOR_SAMPLE:
        return None
    return Cursor(median_low(times), median_low(seqs) if len(seqs) == CURSOR_SAMPLE else None)


def furthest_us(times: Sequence[int]) -> int:
    """The latest of `times` that is not odd, microseconds since 1970; 0 without any."""
    return max((time_us for time_us in times if time_us - median_low(times) <= ODD_US), default=0)
