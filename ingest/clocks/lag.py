"""How far a host's times are behind the revs.

A commit's rev is a TID. It carries the time at which the author's server made the commit (https://atproto.com/specs/tid).
Subtract it from the host's time. The median of these differences is the host's lag. It has two parts: the error of the host's
clock, and the delay behind its relay. A host stamps an event when the event arrives. So a host that is minutes behind serves
old events with the time of now.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median_low

# Each flush gives this many samples. The first frames of a connection give as many as are kept.
SAMPLES_A_FLUSH = 8
SAMPLES_KEPT = 63
# An author's clock that is wrong by more says nothing.
LARGEST_LAG_US = 86_400_000_000
_REV = b'"rev":"'
_TID_LENGTH = 13
_VALUES = {character: value for value, character in enumerate(b"234567abcdefghijklmnopqrstuvwxyz")}
_CLOCK_BITS = 10


@dataclass(frozen=True)
class Lag:
    """One host's lag. `known_us`: microseconds, None before the first measurement. `samples`: those of this connection."""

    known_us: int | None = None
    samples: tuple[int, ...] = ()

    @property
    def us(self) -> int:
        """The lag, microseconds. It is 0 while unknown: another host's lag would hide what this one skips."""
        return self.known_us or 0

    def renewed(self) -> "Lag":
        """The lag as a new connection begins. The host may have caught up, so only new samples count."""
        return replace(self, samples=())

    def observed(self, frames: Sequence[bytes], times: Sequence[int]) -> "Lag":
        """The lag once some of the `frames` are measured, which the host served with `times` (microseconds since 1970)."""
        step = max(1, len(frames) // (SAMPLES_A_FLUSH if self.samples else SAMPLES_KEPT))
        found = [
            time_us - made_us
            for frame, time_us in zip(frames[::step], times[::step], strict=True)
            if (made_us := rev_us(frame)) is not None and abs(time_us - made_us) <= LARGEST_LAG_US
        ]
        if not found:
            return self
        samples = (*self.samples, *found)[-SAMPLES_KEPT:]
        return Lag(median_low(samples), samples)


def rev_us(frame: bytes) -> int | None:
    """When the commit in `frame` was made by its rev, microseconds since 1970. None without a rev that is a TID."""
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
