"""Whether one connection's events follow one another without a hole."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median_high

from bluelake.core.reasons import GapCause
from ingest.frames import Routed
from ingest.rates import Flow

# This many events in a row confirm a hole. One event with an odd time does not.
CONFIRMING_EVENTS = 5
# Two do too, if nothing else has come for this long.
CONFIRMING_SECONDS = 3.0
# Other hosts may leave this much of a hole open: their clocks are compared no better.
SKIPPED_LIMIT_US = 1_000_000


@dataclass(frozen=True)
class Hole:
    """A span without events, microseconds since 1970. `limit_us`: it matters while more than this is unfilled."""

    from_us: int
    to_us: int
    cause: GapCause
    limit_us: int

    def is_open(self, horizon_us: int) -> bool:
        """Whether it still matters once everything up to `horizon_us` is here."""
        return self.to_us - max(self.from_us, horizon_us) > self.limit_us


@dataclass
class Network:
    """Whether the network's events come steadily, as earlier connections found. Before the first, that is assumed."""

    is_steady: bool = True


class Continuity:
    """Holds events behind a possible hole back until it is known whether it is one, and a gap.

    `horizon`: everything up to here is in Redis or noted as a gap, whoever served it (microseconds since 1970, 0: nothing yet).
    `last_us`: the time of the last placed event, 0 before the first. `hole`: the hole that the connection has come to, None
    without any. `is_outdated`: the host has said that it begins later than it was asked to.
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

    def begins_late(self) -> None:
        """The host says that it begins later than it was asked to."""
        self.is_outdated = True

    def ahead_us(self) -> int:
        """Events later than this have to be admitted."""
        return -1 if self._held or not self.last_us else self.last_us + self.gap_us

    def note(self, events: int, last_us: int) -> None:
        """`events` more were placed, the last at `last_us`."""
        if events:
            self._flow.note(events, last_us)
            self.last_us = last_us
            if not self._flow.is_young and last_us >= self._horizon():
                # The next connection may begin with a hole and needs to know. Old events that are served again tell nothing of
                # the network of today.
                self._network.is_steady = self._flow.is_steady(self.gap_us)

    def admit(self, routed: Routed) -> bool:
        """Whether an event may be placed now, after those that `release` gives. If not, it is held back."""
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
        """Confirm a hole once the events behind it have waited for long enough. One event alone may be odd."""
        waited = time.monotonic() - self._held_since >= CONFIRMING_SECONDS
        if self._possible is not None and waited and len(self._held) > 1:
            self._confirm(self._possible)

    def _confirm(self, possible: Hole) -> None:
        """There is a hole. It ends at the median of the held times: the first of them may be odd."""
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
        """Go on behind the hole. `release` gives the events that were held back, and the stream begins anew there."""
        self._flow = Flow()
        self._flow.note(0, self._held[0][2])
        self.last_us = self._held[-1][2]

    def release(self) -> list[Routed]:
        """The events that were held back, to be placed now. There is no hole any more."""
        held, self._held, self._possible, self.hole = self._held, [], None, None
        return held
