"""Whether one connection's events follow one another without a hole."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median_high

from bluelake.core.reasons import GapCause
from ingest.clocks import FAR_BEHIND_US
from ingest.frames import Routed
from ingest.rates import STEADY_EVENTS, Flow

# This many events in a row show whether there is a hole. One event with an odd time does not.
CONFIRMING_EVENTS = 5
# In a steady network two do too, if nothing else has come for this long. No event is held back for longer.
CONFIRMING_SECONDS = 3.0
# Other hosts may leave this much of a hole open: their clocks are compared no better.
SKIPPED_LIMIT_US = 1_000_000
# A steady stream has a hole if the jump is this many times the distance of the events behind it. Else it has become quiet.
STANDS_OUT = 5
# A quiet host that was followed before has lost something if it goes on so many gaps later.
LONG_GAPS = 60


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
    """Whether the network's events come steadily, as earlier connections found. None: nobody knows yet."""

    is_steady: bool | None = None


@dataclass(frozen=True)
class Resume:
    """How a connection begins.

    `asked_us`: where it was asked to begin, microseconds since 1970. `is_first`: no host has been followed before.
    `numbered_until_us`: it was asked by the host's own number. The numbers show what the host has of the time before this,
    microseconds since 1970; 0 otherwise.
    """

    asked_us: int = 0
    is_first: bool = False
    numbered_until_us: int = 0


@dataclass
class _Watch:
    """A possible hole. `begins`: whether it lies where the connection begins. `is_steady`: what is known of the stream before.

    `since`: when the first event behind it came, monotonic seconds. `times`: those of the events behind it.
    """

    hole: Hole
    begins: bool
    is_steady: bool | None
    since: float
    times: list[int] = field(default_factory=list)


class Continuity:
    """Holds events behind a possible hole back until it is known whether it is one, and a gap.

    `horizon`: everything up to here is in Redis or noted as a gap, whoever served it (microseconds since 1970, 0: nothing yet).
    `last_us`: where the stream is, 0 before the first event. `hole`: the hole that the connection has come to, None without any.
    `is_outdated`: the host has said that it begins later than it was asked to.
    """

    def __init__(
        self,
        gap_us: int,
        horizon: Callable[[], int],
        *,
        is_outdated: bool = False,
        network: Network | None = None,
        resume: Resume | None = None,
    ) -> None:
        self._network = network or Network()
        self._resume = resume or Resume()
        self.gap_us = gap_us
        self.last_us = 0
        self.hole: Hole | None = None
        self.is_outdated = is_outdated
        self._horizon = horizon
        self._flow = Flow()
        self._numbers = _Numbers()
        self._furthest_us = self._resume.asked_us
        self._held: list[Routed] = []
        self._watch: _Watch | None = None
        # Where everything was here already when the connection began; a jump there is where the connection begins.
        self._awaited_us = 0

    def begins_late(self) -> None:
        """The host says that it begins later than it was asked to."""
        self.is_outdated = True

    def ahead_us(self) -> int:
        """Events later than this have to be admitted."""
        return -1 if self._watch is not None or not self.last_us else self.last_us + self.gap_us

    def behind_us(self) -> int:
        """Events earlier than this have an odd time. They are placed, and tell nothing of where the stream is."""
        return self._furthest_us - FAR_BEHIND_US

    @property
    def position_us(self) -> int:
        """Where the stream is, or was asked to begin, microseconds since 1970."""
        return self.last_us or self._resume.asked_us

    def note(self, events: int, last_us: int, last_seq: int | None = None) -> None:
        """`events` more were placed, the last at `last_us`, on v2 with the number `last_seq`."""
        if events:
            self._flow.note(events, last_us)
            self._numbers.note(events, last_seq)
            self.last_us = last_us
            self._furthest_us = max(self._furthest_us, last_us)
            if not self._flow.is_young and last_us >= self._horizon():
                # The next connection may begin with a hole and needs to know. Old events that are served again tell nothing of
                # the network of today.
                self._network.is_steady = self._flow.is_steady(self.gap_us)

    def admit(self, routed: Routed) -> bool:
        """Whether an event may be placed now, after those that `release` gives. If not, it is held back."""
        _, _, time_us, seq = routed
        watch = self._watch or self._watch_before(time_us, seq)
        if watch is None or time_us - watch.hole.from_us <= watch.hole.limit_us:
            if not self.last_us:
                self._flow.note(0, time_us)
            return True
        self._watch = watch
        watch.times.append(time_us)
        if len(watch.times) >= CONFIRMING_EVENTS and not self._is_hole(watch):
            self._become_quiet(watch)
            return True
        self._held.append(routed)
        if len(watch.times) >= CONFIRMING_EVENTS:
            self._confirm(watch)
        return False

    def confirm(self) -> None:
        """Confirm a hole once the events behind it have waited for long enough. One event alone may be odd."""
        watch = self._watch
        if watch is None or not self._has_waited(watch):
            return
        is_known = self.is_outdated or (watch.is_steady and len(watch.times) > 1)
        if is_known and self._is_hole(watch):
            self._confirm(watch)

    def overdue(self) -> list[Routed]:
        """The events that were held back for long enough without a hole. Place them; the possible hole is watched on."""
        if self._watch is None or self.hole is not None or not self._has_waited(self._watch):
            return []
        held, self._held = self._held, []
        return held

    def _has_waited(self, watch: _Watch) -> bool:
        return time.monotonic() - watch.since >= CONFIRMING_SECONDS

    def _confirm(self, watch: _Watch) -> None:
        """There is a hole. It ends at the median of the times behind it: the first of them may be odd."""
        if self.hole is None:
            self.hole = replace(watch.hole, to_us=median_high(watch.times))

    def _become_quiet(self, watch: _Watch) -> None:
        """There is no hole: the network itself is quiet."""
        if watch.is_steady is None:
            self._network.is_steady = False
        self._flow.note(len(watch.times) - 1, watch.times[-1])

    def _is_hole(self, watch: _Watch) -> bool:
        """Whether the jump is too long for the network, as far as the events behind it tell."""
        if self.is_outdated:
            return True
        jump_us, distance_us = median_high(watch.times) - watch.hole.from_us, _distance_us(watch.times)
        if watch.is_steady:
            return jump_us >= STANDS_OUT * distance_us
        if watch.is_steady is None and STEADY_EVENTS * distance_us <= self.gap_us:
            return True
        is_long = jump_us >= max(LONG_GAPS * self.gap_us, STEADY_EVENTS * distance_us)
        return watch.begins and not self._resume.is_first and is_long

    def _watch_before(self, time_us: int, seq: int | None) -> _Watch | None:
        """The possible hole that ends at `time_us`, before the event with number `seq`; None where there is none."""
        start_us, now = max(self.last_us, self._horizon()), time.monotonic()
        if not start_us:
            return None
        if not self.last_us:
            self._awaited_us = start_us
            cause = GapCause.CURSOR_TOO_OLD if self.is_outdated else GapCause.REPLAY_STARTS_LATE
            hole = Hole(start_us, time_us, cause, 0 if self.is_outdated else self.gap_us)
            return _Watch(hole, begins=True, is_steady=self._network.is_steady, since=now)
        if time_us - self.last_us <= self.gap_us or self._is_vouched(seq):
            return None
        begins = self.last_us < self._awaited_us
        is_steady = self._network.is_steady if self._horizon() > 0 else False
        if not self._flow.is_young:
            is_steady = self._flow.is_steady(self.gap_us)
        if is_steady is False and not begins:
            return None
        hole = Hole(start_us, time_us, GapCause.HOST_SKIPPED, min(self.gap_us, SKIPPED_LIMIT_US))
        return _Watch(hole, begins, is_steady, now)

    def _is_vouched(self, seq: int | None) -> bool:
        """Whether the host's own numbers show that it has nothing between the last event and the one with number `seq`."""
        return self.last_us < self._resume.numbered_until_us and self._numbers.go_on_at(seq)

    def cross(self) -> None:
        """Go on behind the hole. `release` gives the events that were held back, and the stream begins anew there."""
        assert self._watch is not None
        times = self._watch.times
        self._flow = Flow()
        self._flow.note(0, times[0])
        self.last_us = times[-1]
        self._furthest_us = max(self._furthest_us, self.last_us)

    def release(self) -> list[Routed]:
        """The events that were held back, to be placed now. There is no hole any more."""
        held, self._held, self._watch, self.hole = self._held, [], None, None
        return held


class _Numbers:
    """The sequence numbers of one connection's events."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._last: int | None = None
        self._events = 0

    def note(self, events: int, last: int | None) -> None:
        """`events` more have come, the last with number `last`."""
        self._first = last if self._first is None else self._first
        self._last = last
        self._events += events

    def go_on_at(self, seq: int | None) -> bool:
        """Whether no more numbers lie before `seq` than before other events. The host filters, so numbers are missing anyway."""
        if seq is None or self._first is None or self._last is None:
            return False
        usual = max(1, (self._last - self._first) // max(1, self._events - 1))
        return 0 <= seq - self._last <= STEADY_EVENTS * usual


def _distance_us(times: Sequence[int]) -> float:
    """The mean distance between events at `times`, two at least, microseconds. One odd time among several changes nothing."""
    ordered = sorted(times)
    if len(ordered) < CONFIRMING_EVENTS - 1:
        return (ordered[-1] - ordered[0]) / max(1, len(ordered) - 1)
    return min(ordered[-2] - ordered[0], ordered[-1] - ordered[1]) / (len(ordered) - 2)
