"""Frames that cannot be received, and how to get past them."""

from dataclasses import dataclass

# A frame that cannot be received is skipped by time: this much at first, four times as much at each further try.
FIRST_SKIP_US = 1_000
LARGEST_SKIP_US = 65_536_000
# After this many connections in a row without an event, another host is asked.
TRIES_WITHOUT_EVENT = 3


@dataclass
class Skip:
    """A frame that one host serves and that cannot be received. Times are microseconds since 1970.

    `from_us`: where the stream was when the frame came first. `last_us`: the furthest that the stream came. `tries`: how many
    connections the frame has ended. `tries_without_event`: how many of them, the last ones in a row, had no event. `passed_us`:
    where the stream went on behind the frame, 0 until it has.
    """

    from_us: int
    last_us: int
    tries: int = 0
    tries_without_event: int = 0
    passed_us: int = 0

    @property
    def position_us(self) -> int:
        """Where to begin next. At first the host is asked to leave the frame out. If it sends it again, it is asked for less."""
        if self.tries <= 1:
            return self.from_us
        return self.from_us + min(FIRST_SKIP_US << 2 * min(self.tries - 1, 16), LARGEST_SKIP_US)

    def ended_connection(self, last_us: int) -> None:
        """The frame has ended one more connection, which was read up to `last_us`; 0 without any event."""
        self.tries += 1
        self.tries_without_event = 0 if last_us else self.tries_without_event + 1
        self.last_us = max(self.last_us, last_us)
