"""How far the hosts' clocks are apart.

A commit's rev is a TID, which has the time at which its author's server made it (https://atproto.com/specs/tid). The median of
what lies between that and the host's time is the delay of the network and the host's clock together; the delay is the same for
every host, so two hosts' medians differ by their clocks.
"""

from collections import deque
from collections.abc import Sequence
from statistics import median_low

# A flush gives so many samples, of which so many are kept.
SAMPLES_A_FLUSH = 8
SAMPLES_KEPT = 63
# An author's clock that is off by more says nothing.
LARGEST_LAG_US = 3_600_000_000
_REV = b'"rev":"'
_TID_LENGTH = 13
_VALUES = {character: value for value, character in enumerate(b"234567abcdefghijklmnopqrstuvwxyz")}
_CLOCK_BITS = 10


class Clocks:
    """Each host's lag: how far its times are behind the revs, microseconds."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[int]] = {}
        self._lags: dict[str, int] = {}

    def note(self, host: str, frames: Sequence[bytes], times: Sequence[int]) -> None:
        """Learn from some of the `frames` that `host` served at `times`."""
        step = max(1, len(frames) // SAMPLES_A_FLUSH)
        found = [
            time_us - made_us
            for frame, time_us in zip(frames[::step], times[::step], strict=True)
            if (made_us := rev_us(frame)) is not None and abs(time_us - made_us) <= LARGEST_LAG_US
        ]
        if found:
            samples = self._samples.setdefault(host, deque(maxlen=SAMPLES_KEPT))
            samples.extend(found)
            self._lags[host] = median_low(samples)

    def knows(self, host: str) -> bool:
        """Whether the lag of `host` has been measured."""
        return host in self._lags

    def lag_us(self, host: str) -> int:
        """The lag of `host`; as long as it is not known, the usual one."""
        if host in self._lags:
            return self._lags[host]
        return median_low(self._lags.values()) if self._lags else 0


def rev_us(frame: bytes) -> int | None:
    """When the commit in `frame` was made by its rev, microseconds since 1970; None where it has none that is a TID."""
    start = frame.find(_REV) + len(_REV)
    tid = frame[start : start + _TID_LENGTH]
    if start < len(_REV) or len(tid) < _TID_LENGTH:
        return None
    number = 0
    for character in tid:
        value = _VALUES.get(character)
        if value is None:
            return None
        number = number << 5 | value
    return number >> _CLOCK_BITS
