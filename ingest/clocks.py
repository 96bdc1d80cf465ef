"""How far the hosts' clocks are apart.

A commit's rev is a TID, which has the time at which its author's server made it (https://atproto.com/specs/tid). The median of
what lies between that and the host's time is the delay of the network and the host's clock together; the delay is the same for
every host, so two hosts' medians differ by their clocks, and by how far each is behind its relay: a host stamps an event when it
comes to it, so one that is minutes behind serves old events with the time of now.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from statistics import median_low

# A flush gives so many samples, of which so many are kept; the first frames of a connection give as many as are kept.
SAMPLES_A_FLUSH = 8
SAMPLES_KEPT = 63
# An author's clock that is off by more says nothing.
LARGEST_LAG_US = 86_400_000_000
_REV = b'"rev":"'
_TID_LENGTH = 13
_VALUES = {character: value for value, character in enumerate(b"234567abcdefghijklmnopqrstuvwxyz")}
_CLOCK_BITS = 10


class Clocks:
    """Each host's lag: how far its times are behind the revs, microseconds. `lags`: what was known of them before."""

    def __init__(self, lags: Mapping[str, int] | None = None) -> None:
        self._samples: dict[str, deque[int]] = {}
        self._lags: dict[str, int] = dict(lags or {})

    def renew(self, host: str) -> None:
        """A connection to `host` begins, which may have caught up since the last one: its next samples count alone."""
        self._samples.pop(host, None)

    def note(self, host: str, frames: Sequence[bytes], times: Sequence[int]) -> None:
        """Learn from some of the `frames` that `host` served at `times`."""
        step = max(1, len(frames) // (SAMPLES_A_FLUSH if host in self._samples else SAMPLES_KEPT))
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
        """The lag of `host`; as long as it is not known, none: another one's would hide what this one skips."""
        return self._lags.get(host, 0)


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
