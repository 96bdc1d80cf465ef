"""When events happen: a Poisson process whose rate follows the hours of the day, UTC."""

import math
import random
from dataclasses import dataclass
from datetime import timedelta

# Activity of the network by hour of the day, UTC. Lowest when the Americas sleep and Europe wakes; Japan's evening is at 12.
_HOURS = (
    1.20, 1.16, 1.10, 1.02, 0.92, 0.80, 0.70, 0.66, 0.68, 0.74, 0.82, 0.92,
    1.02, 1.08, 1.12, 1.14, 1.16, 1.16, 1.14, 1.14, 1.16, 1.20, 1.22, 1.24,
)  # fmt: skip
_MEAN = sum(_HOURS) / len(_HOURS)
HOURLY_SHARES = tuple(share / _MEAN for share in _HOURS)
# The live rate swings a quarter as far, so that whoever asks for 50/s gets about 50/s.
LIVE_SWING = 0.25

NEVER_US = 1 << 62
MICROSECONDS = 1_000_000
_MINUTE_US = 60 * MICROSECONDS
_HOUR_US = 60 * _MINUTE_US


@dataclass(frozen=True, slots=True)
class Schedule:
    """How many events happen when.

    start_us: when the history begins, microseconds since 1970.
    epoch_us: when history ends and live begins.
    history_rate, live_rate: mean events a second before and after the epoch.
    end_us: from when on nothing happens any more.
    """

    start_us: int
    epoch_us: int
    history_rate: float
    live_rate: float
    end_us: int = NEVER_US

    @classmethod
    def until(
        cls,
        epoch_us: int,
        history: timedelta,
        history_rate: float,
        live_rate: float,
        live: timedelta | None = None,
    ) -> "Schedule":
        """A schedule with a history of that length, which ends at the epoch; `live` is how long events go on after it."""
        start_us = epoch_us - history // timedelta(microseconds=1)
        end_us = NEVER_US if live is None else epoch_us + live // timedelta(microseconds=1)
        return cls(start_us, epoch_us, history_rate, live_rate, end_us)

    def rate_at(self, time_us: int) -> float:
        """Events a second at that moment."""
        hour, within_us = divmod(time_us, _HOUR_US)
        before, after = HOURLY_SHARES[hour % 24], HOURLY_SHARES[(hour + 1) % 24]
        share = before + (after - before) * within_us / _HOUR_US
        if time_us < self.epoch_us:
            return self.history_rate * share
        return self.live_rate * (1 + (share - 1) * LIVE_SWING)


class Arrivals:
    """The moments at which events happen, one after the other, never going back."""

    def __init__(self, schedule: Schedule, rng: random.Random) -> None:
        self._schedule = schedule
        self._random = rng.random
        self._mean_gap_us = 0.0
        self._rate_until_us = 0
        self.next_us = schedule.start_us
        """When the next event happens, microseconds since 1970; NEVER_US if none does."""
        self.advance()

    def advance(self) -> None:
        """Go to the following event."""
        now_us = self.next_us
        if now_us >= self._rate_until_us and not self._read_rate(now_us):
            return
        self.next_us = now_us + 1 - int(math.log(1.0 - self._random()) * self._mean_gap_us)
        if now_us < self._schedule.epoch_us <= self.next_us:
            # The live rate is another one. Starting anew at the epoch changes nothing else: a Poisson process has no memory.
            self.next_us = self._schedule.epoch_us
            self.advance()
        if self.next_us >= self._schedule.end_us:
            self.next_us = NEVER_US

    def _read_rate(self, now_us: int) -> bool:
        """Take over the rate of the current minute. False: nothing happens from here on."""
        rate = self._schedule.rate_at(now_us)
        if rate > 0:
            self._mean_gap_us = MICROSECONDS / rate
            self._rate_until_us = now_us + _MINUTE_US
            if now_us < self._schedule.epoch_us:
                self._rate_until_us = min(self._rate_until_us, self._schedule.epoch_us)
            return True
        if now_us < self._schedule.epoch_us:
            self.next_us = self._schedule.epoch_us
            self.advance()
        else:
            self.next_us = NEVER_US
        return False
