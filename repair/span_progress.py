"""How far a host has served a span, and when a recording of it ends. No host fills the disk: every recording ends.

One event alone proves nothing, because its time may be odd. So the begin and the end of what a host served are medians of
several times, and only several events in a row past the span's end complete it.
"""

import time
from collections import deque
from collections.abc import Callable
from statistics import median_low

from ingest.continuity import CONFIRMING_EVENTS

# A stream of events holds few frames that are none. So many of them in a row end a recording.
UNREADABLE_FRAMES = 1_000
# So many frames without a later time end it too: over a minute of the network, far more than arrives out of order.
STUCK_FRAMES = 100_000
STUCK_SECONDS = 300.0


class SpanProgress:
    """The progress of one recording towards `end_us`, microseconds since 1970.

    `monotonic`: a clock in seconds. `reason`: why the recording ends before its span does; empty while it goes on, and
    when the span is complete.
    """

    def __init__(self, end_us: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.reason = ""
        self._end_us = end_us
        self._monotonic = monotonic
        self._past = self._unreadable = self._stuck = 0
        self._reached_us = 0
        self._reached_at = monotonic()
        self._first: list[int] = []
        self._last: deque[int] = deque(maxlen=CONFIRMING_EVENTS)

    @property
    def first_us(self) -> int | None:
        """The median of the first times, microseconds since 1970; None before the first event."""
        return median_low(self._first) if self._first else None

    @property
    def last_us(self) -> int | None:
        """The median of the last times, microseconds since 1970; None before the first event."""
        return median_low(self._last) if self._last else None

    def add_event(self, time_us: int) -> bool:
        """Count an event. Returns whether the recording ends with it."""
        self._unreadable = 0
        if len(self._first) < CONFIRMING_EVENTS:
            self._first.append(time_us)
        self._last.append(time_us)
        self._past = self._past + 1 if time_us > self._end_us else 0
        if self._past == CONFIRMING_EVENTS:
            return True
        # Neither an odd time is progress, nor are times past the span while others come between them.
        if len(self._last) == CONFIRMING_EVENTS:
            reached_us = min(median_low(self._last), self._end_us)
            if reached_us > self._reached_us:
                self._reached_us, self._reached_at, self._stuck = reached_us, self._monotonic(), 0
        return self._is_stuck()

    def add_unreadable(self) -> bool:
        """Count a frame that is no event, and so has no time. Returns whether the recording ends with it."""
        self._unreadable += 1
        if self._unreadable == UNREADABLE_FRAMES:
            self.reason = f"tells no time in {UNREADABLE_FRAMES} frames in a row"
            return True
        return self._is_stuck()

    def _is_stuck(self) -> bool:
        self._stuck += 1
        if self._stuck >= STUCK_FRAMES:
            self.reason = f"tells no later time in {STUCK_FRAMES} frames in a row"
        elif self._monotonic() - self._reached_at > STUCK_SECONDS:
            self.reason = f"tells no later time for {STUCK_SECONDS:g} s"
        return bool(self.reason)
