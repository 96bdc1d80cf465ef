"""How fast events come: whether a stream flows steadily, and whether a host serves less than the network has."""

from collections import deque

# A stream is steady if a pause as long as a gap is this many times its mean distance between two events.
STEADY_EVENTS = 30
# What one more window counts for in the usual rate.
WEIGHT = 0.2
# With fewer events in a window a low rate can be chance.
JUDGED_EVENTS = 20


class Flow:
    """The recent density of one connection's events, by their own times."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int]] = deque()
        self._total = 0

    def note(self, events: int, last_us: int) -> None:
        """`events` more have come, the last at `last_us`."""
        self._total += events
        self._marks.append((last_us, self._total))
        while len(self._marks) > 2 and self._total - self._marks[1][1] >= STEADY_EVENTS:
            self._marks.popleft()

    @property
    def is_young(self) -> bool:
        """Whether there are too few events to tell."""
        return not self._marks or self._total - self._marks[0][1] < STEADY_EVENTS

    def is_steady(self, pause_us: int) -> bool:
        """Whether a pause of `pause_us` between two events cannot be chance."""
        if self.is_young:
            return False
        first_us, before = self._marks[0]
        return (self._marks[-1][0] - first_us) * STEADY_EVENTS <= pause_us * (self._total - before)


class UsualRate:
    """The network's events a second of their own time, learned from what hosts serve; `per_second` is None until then.

    A host below `share` of it is slow. Once every host is, the network itself has become slower, and its rate is learned anew.
    """

    def __init__(self, share: float, hosts: frozenset[str]) -> None:
        self.per_second: float | None = None
        self._share = share
        self._hosts = hosts
        self._no_better: set[str] = set()

    def is_slow(self, host: str, events: int, seconds: float, event_seconds: float) -> bool:
        """Judge `events` that `host` served in `seconds`, during which it alone set the pace, and learn from them.

        `event_seconds`: how far their times went on meanwhile, which is more while the stream catches up.
        """
        least = self._share * (self.per_second or 0.0) * seconds
        if events < least and least >= JUDGED_EVENTS:
            self.no_better(host)
            return self.per_second is not None
        if event_seconds >= seconds / 2:
            rate = events / event_seconds
            self.per_second = rate if self.per_second is None else (1 - WEIGHT) * self.per_second + WEIGHT * rate
            self._no_better.clear()
        return False

    def no_better(self, host: str) -> None:
        """`host` is slow too, or cannot be had."""
        self._no_better.add(host)
        if self._no_better >= self._hosts:
            self.per_second = None
            self._no_better.clear()
