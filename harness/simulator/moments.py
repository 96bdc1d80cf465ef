"""Moments as text: what records claim in `createdAt`."""

import time

_MINUTES = [f"{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60)]
_SECONDS = [f"{second:02}" for second in range(60)]
_MILLISECONDS = [f".{millisecond:03}Z" for millisecond in range(1000)]
_MICROSECONDS_A_SECOND = 1_000_000
_SECONDS_A_DAY = 86_400
_YEAR_10000_US = 253_402_300_800 * _MICROSECONDS_A_SECOND
_days: dict[int, str] = {}


def _seconds_text(seconds: int) -> str:
    day, second = divmod(seconds, _SECONDS_A_DAY)
    date = _days.get(day)
    if date is None:
        date = _days[day] = time.strftime("%Y-%m-%dT", time.gmtime(day * _SECONDS_A_DAY))
    return date + _MINUTES[second // 60] + _SECONDS[second % 60]


def with_milliseconds(time_us: int) -> str:
    """`2026-07-04T14:38:08.999Z`: what most clients write."""
    seconds, rest_us = divmod(time_us, _MICROSECONDS_A_SECOND)
    return _seconds_text(seconds) + _MILLISECONDS[rest_us // 1000]


def with_microseconds(time_us: int) -> str:
    """`2026-07-04T14:38:08.999123Z`: what Jetstream v2 writes. Raises ValueError where the year has not four digits."""
    if not 0 <= time_us < _YEAR_10000_US:
        raise ValueError(f"{time_us}: not between 1970 and 9999")
    seconds, rest_us = divmod(time_us, _MICROSECONDS_A_SECOND)
    return f"{_seconds_text(seconds)}.{rest_us:06}Z"


def with_offset(time_us: int) -> str:
    """`2026-07-04T14:38:02+00:00`: what some bots write."""
    return _seconds_text(time_us // _MICROSECONDS_A_SECOND) + "+00:00"
