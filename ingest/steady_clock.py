"""The time of day, for decisions that must not go back with the machine's clock."""

import time

from bluelake.core.clock import now_us

_STARTED_US = now_us()
_STARTED_MONOTONIC = time.monotonic()


def steady_now_us() -> int:
    """The time now, microseconds since 1970. It goes on when the machine's clock is set back."""
    return max(now_us(), _STARTED_US + int((time.monotonic() - _STARTED_MONOTONIC) * 1e6))
