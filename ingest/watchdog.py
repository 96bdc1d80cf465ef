"""Watches one connection for a host that is silent or slow. The time is passed in; there is no I/O."""

from dataclasses import dataclass

from ingest.activity import Activity

# A host that has sent this many frames, none of them an event, may be no Jetstream host.
MANY_OTHERS = 100
# A window counts only if the reader waited for flushes for less than this share of it.
BLOCKED_SHARE = 0.1


@dataclass(frozen=True)
class Window:
    """What a host served in one stretch of time in which it alone set the pace.

    `event_seconds`: how far the events' times went on meanwhile. `suspect_from_us`: if the host was slow, it may have left events
    out from here on (microseconds since 1970, by its own clock).
    """

    events: int
    seconds: float
    event_seconds: float
    suspect_from_us: int


class Watchdog:
    """Watches one connection from `now` on; times are monotonic seconds.

    `silent_seconds`: a host may be silent for so long. `slow_seconds`: the length of a window. `first_us`: from here on the
    first windows may lack events, microseconds since 1970.
    """

    def __init__(self, now: float, silent_seconds: float, slow_seconds: float, first_us: int) -> None:
        self._silent_seconds = silent_seconds
        self._slow_seconds = slow_seconds
        self._useless = _Useless(now)
        self._began = now
        self._began_us = 0
        self._events = 0
        self._blocked_seconds = 0.0
        # Where the last two windows began.
        self._first_us = self._second_us = first_us

    def silence(self, now: float, seen: Activity) -> str | None:
        """What the host does in place of serving events, once it has done so for too long; else None."""
        if seen.waiting_since is not None and now - seen.waiting_since >= self._silent_seconds:
            return f"has sent nothing for {now - seen.waiting_since:.0f} s"
        if self._useless.seconds(now, seen) >= self._silent_seconds:
            return "sends nothing that is an event"
        return None

    def window(self, now: float, seen: Activity, last_us: int) -> Window | None:
        """The window that ends at `now`. None before its end, and where the reader was held up.

        `last_us`: the time of the last placed event, microseconds since 1970, 0 before the first.
        """
        seconds = now - self._began
        if seconds < self._slow_seconds:
            return None
        events, blocked = seen.events - self._events, seen.blocked_seconds - self._blocked_seconds
        # The events of the first window may begin anywhere, so nothing is learned from it.
        event_seconds = (last_us - self._began_us) / 1e6 if self._began_us else 0.0
        self._began, self._began_us = now, last_us
        self._events, self._blocked_seconds = seen.events, seen.blocked_seconds
        if blocked >= BLOCKED_SHARE * seconds:
            return None
        found = Window(events, seconds, event_seconds, self._first_us)
        self._first_us, self._second_us = self._second_us, last_us or self._second_us
        return found


class _Useless:
    """For how long a host has sent many frames, none of them an event."""

    def __init__(self, now: float) -> None:
        self._since, self._events, self._others = now, 0, 0

    def seconds(self, now: float, seen: Activity) -> float:
        """Seconds since the last event; 0 while few other frames have come since."""
        others = seen.rejects + seen.notices
        if seen.events > self._events:
            self._since, self._events, self._others = now, seen.events, others
        return now - self._since if others - self._others >= MANY_OTHERS else 0.0
