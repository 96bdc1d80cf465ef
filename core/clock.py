"""Time as Bluelake counts it: microseconds since 1970, UTC."""

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_us() -> int:
    """This machine's wall clock, in microseconds since 1970."""
    return time.time_ns() // 1000


def to_datetime(microseconds: int) -> datetime:
    """The aware UTC datetime of a number of microseconds since 1970. Exact: no float is involved."""
    return EPOCH + timedelta(microseconds=microseconds)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime. Exact: no float is involved."""
    return (moment - EPOCH) // timedelta(microseconds=1)
