"""Whether one connection's events follow one another without a hole."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median_high

from bluelake.core.reasons import GapCause
from ingest.frames import Routed
from ingest.rates import Flow

# So many events in a row have to lie behind a hole: one event with an odd time is none.
CONFIRMING_EVENTS = 5
# Fewer, but not one alone, do too if nothing else has come for so long.
CONFIRMING_SECONDS = 3.0
# Of what a host has visibly skipped, so much may be left by others: their clocks are compared no better.
SKIPPED_LIMIT_US = 1_000_000


@dataclass(frozen=True)
class Hole:
    """A span without events, microseconds since 1970. `limit_us`: what is left of it must be longer to matter."""

    from_us: int
    to_us: int
    cause: GapCause
    limit_us: int

    def is_open(self, horizon_us: int) -> bool:
        """Whether it still matters once everything up to `horizon_us` is here."""
        return self.to_us - max(self.from_us, horizon_us) > self.limit_us


@dataclass
class Network:
    """Whether the network's events come steadily, as connections before this one have found. Until one has, it is assumed."""

    is_steady: bool = True


class Continuity:
    """Holds back what lies behind a hole until it is known whether that is one, and a gap.

    `horizon`: up to when everything is here, whoever served it (microseconds since 1970, 0: nobody yet). `last_us`: the time
    of the last event that was placed, 0 before the first. `hole`: the hole that the connection has come to. `is_outdated`: the
    host has said that it begins later than it was asked to.
    """

    def __init__(
        self,
        gap_us: int,
        horizon: Callable[[], int],
        *,
        is_outdated: bool = False,
        network: Network | None = None,
    ) -> None:
        self._network = network or Network()
        self.gap_us = gap_us
        self.last_us = 0
        self.hole: Hole | None = None
        self.is_outdated = is_outdated
        self._horizon = horizon
        self._flow = Flow()
        self._held: list[Routed] = []
        self._held_since = 0.0
        self._possible: Hole | None = None
        # Where everything was here already when the connection began; until it is past that, a jump is no quiet network.
        self._awaited_us = 0

    def ahead_us(self) -> int:
        """Events later than this have to be admitted."""
        return -1 if self._held or not self.last_us else self.last_us + self.gap_us

    def note(self, events: int, last_us: int) -> None:
        """`events` more were placed, the last at `last_us`."""
        if events:
            self._flow.note(events, last_us)
            self.last_us = last_us
            if not self._flow.is_young and last_us >= self._horizon():
                # Whether or not it comes to a hole itself: the next connection may begin with one. What a host serves again
                # of long ago tells nothing of the network of today.
                self._network.is_steady = self._flow.is_steady(self.gap_us)

    def admit(self, routed: Routed) -> bool:
        """Whether an event may be placed now, after those that `release` then gives; if not, it is held back."""
        time_us = routed[2]
        possible = self._possible or self._hole_before(time_us)
        if possible is None or time_us - possible.from_us <= possible.limit_us:
            if not self.last_us:
                self._flow.note(0, time_us)
            return True
        if self._possible is None:
            self._possible, self._held_since = possible, time.monotonic()
        self._held.append(routed)
        if len(self._held) >= CONFIRMING_EVENTS:
            self._confirm(self._possible or possible)
        return False

    def confirm(self) -> None:
        """Take what is held back as behind a hole once it has waited for long enough; one event alone may be odd."""
        waited = time.monotonic() - self._held_since >= CONFIRMING_SECONDS
        if self._possible is not None and waited and len(self._held) > 1:
            self._confirm(self._possible)

    def _confirm(self, possible: Hole) -> None:
        """There is a hole, up to where most of what is held back lies: the first of it may have an odd time."""
        if self.hole is None:
            self.hole = replace(possible, to_us=median_high(held[2] for held in self._held))

    def _hole_before(self, time_us: int) -> Hole | None:
        start_us = max(self.last_us, self._horizon())
        if not start_us:
            return None
        if not self.last_us:
            self._awaited_us = start_us
            cause = GapCause.CURSOR_TOO_OLD if self.is_outdated else GapCause.REPLAY_STARTS_LATE
            return Hole(start_us, time_us, cause, 0 if self.is_outdated else self.gap_us)
        if time_us - self.last_us <= self.gap_us:
            return None
        if self.last_us < self._awaited_us:
            is_steady = True
        elif self._flow.is_young:
            is_steady = self._network.is_steady and self._horizon() > 0
        else:
            is_steady = self._flow.is_steady(self.gap_us)
        limit_us = min(self.gap_us, SKIPPED_LIMIT_US)
        return None if not is_steady else Hole(start_us, time_us, GapCause.HOST_SKIPPED, limit_us)

    def cross(self) -> None:
        """Go on behind the hole: `release` gives what was held back, and the stream begins anew there."""
        self._flow = Flow()
        self._flow.note(0, self._held[0][2])
        self.last_us = self._held[-1][2]

    def release(self) -> list[Routed]:
        """The events that were held back; they are to be placed. There is no hole any more."""
        held, self._held, self._possible, self.hole = self._held, [], None, None
        return held
