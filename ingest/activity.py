"""What one connection has done so far, for those that watch it."""

from dataclasses import dataclass


@dataclass
class Activity:
    """Counts and times of one connection. Its parts add to it, the watchdog and the status read it.

    `events`, `rejects`: frames of each kind. `notices`: messages of the host about the stream. `waiting_since`: since when the
    reader waits for the host (monotonic seconds), None while it works. `blocked_seconds`: how long it has waited for flushes.
    """

    events: int = 0
    rejects: int = 0
    notices: int = 0
    waiting_since: float | None = None
    blocked_seconds: float = 0.0

    @property
    def received(self) -> int:
        """Events and rejects."""
        return self.events + self.rejects

    def placed(self, events: int) -> None:
        """That many events more are in their queues."""
        self.events += events

    def rejected(self) -> None:
        """One frame more was no event."""
        self.rejects += 1

    def noticed(self) -> None:
        """The host said something about the stream."""
        self.notices += 1

    def waits(self, now: float) -> None:
        """From `now` on (monotonic seconds) the reader waits for the host."""
        self.waiting_since = now

    def works(self) -> None:
        """The reader has something to do."""
        self.waiting_since = None

    def was_blocked(self, seconds: float) -> None:
        """The reader has waited for a flush."""
        self.blocked_seconds += seconds
