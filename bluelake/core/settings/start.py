"""The forms of JETSTREAM_START: a duration back, a time, microseconds since 1970, or `now`."""

import re
from datetime import UTC, datetime, timedelta

from bluelake.core.clock import to_datetime, to_us

_DURATION = re.compile(r"(\d+)\s*([smhd])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# Below this a number cannot be a time in microseconds (2001-09-09); it is a sequence number.
_FIRST_TIME_US = 10**15


def parse_start(start: str, now: datetime) -> int:
    """The time that `start` means at the moment `now`, microseconds since 1970.

    Raises ValueError with the forms that are accepted.
    """
    text = start.strip()
    if text == "now":
        return to_us(now)
    try:
        if duration := _DURATION.fullmatch(text):
            return to_us(now - timedelta(seconds=int(duration[1]) * _UNIT_SECONDS[duration[2]]))
        if text.isdecimal() and int(text) >= _FIRST_TIME_US:
            return to_us(to_datetime(int(text)))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{start!r} is neither a duration (1h, 2d), `now`, an RFC 3339 time nor microseconds since 1970"
        ) from None
    return to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
