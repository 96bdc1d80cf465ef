"""Time as Bluelake counts it: microseconds since 1970, UTC."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# For tests: a file with the seconds to add to the clock, so that a test can step it (docs/chaos.md).
OFFSET_VARIABLE = "BLUELAKE_CLOCK_OFFSET_FILE"
_offset_file = os.environ.get(OFFSET_VARIABLE)


def now_us() -> int:
    """This machine's wall clock, in microseconds since 1970."""
    if _offset_file is not None:
        return time.time_ns() // 1000 + int(float(Path(_offset_file).read_text() or 0) * 1e6)
    return time.time_ns() // 1000


def now() -> datetime:
    """This machine's wall clock as an aware UTC datetime: `now_us`, exactly."""
    return to_datetime(now_us())


def file_now() -> datetime:
    """The clock by which the kernel dates files, and delta-rs the entries of its logs; UTC. Use it for the age of a file.

    It differs from `now` only where a test steps the clock: that step reaches neither the kernel nor delta-rs.
    """
    return datetime.now(UTC)


def to_datetime(microseconds: int) -> datetime:
    """The aware UTC datetime of a number of microseconds since 1970. Exact: no float is involved."""
    return EPOCH + timedelta(microseconds=microseconds)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime. Exact: no float is involved."""
    return (moment - EPOCH) // timedelta(microseconds=1)
