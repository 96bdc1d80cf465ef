"""Frames that cannot be received, and getting past them."""

from dataclasses import dataclass

# A frame that cannot be received is skipped by time: this much at first, and four times as much at every further try.
FIRST_SKIP_US = 1_000
LARGEST_SKIP_US = 65_536_000
# A host whose connections end so often in a row without an event is left for the next one.
BARREN_TRIES = 3


@dataclass
class Skip:
    """A frame that one host serves and that cannot be received, times in microseconds since 1970.

    `from_us`: where the stream had come to when it was met first, `last_us`: the furthest that it had come to. `tries`: how many
    connections it has ended; `barren`: how many of them, the last ones in a row, without an event. `passed_us`: where the
    stream went on behind it, 0 until it has.
    """

    from_us: int
    last_us: int
    tries: int = 0
    barren: int = 0
    passed_us: int = 0

    @property
    def position_us(self) -> int:
        """Where to begin next. At first it is only asked not to be sent; a host that sends it all the same is asked for less."""
        if self.tries <= 1:
            return self.from_us
        return self.from_us + min(FIRST_SKIP_US << 2 * min(self.tries - 1, 16), LARGEST_SKIP_US)

    def met(self, last_us: int) -> None:
        """It has ended one more connection, which was read up to `last_us`, 0 for no event at all."""
        self.tries += 1
        self.barren = 0 if last_us else self.barren + 1
        self.last_us = max(self.last_us, last_us)
