"""One configured host: what was learned of it, and the connection to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bluelake.core.reasons import HostFault
from bluelake.core.settings import Settings
from bluelake.core.watermark import Cursor
from ingest.clocks import Lag
from ingest.compression import Dictionary
from ingest.continuity import Hole
from ingest.errors import HostError
from ingest.frames import WireName
from ingest.jetstream import host_name, lacks_wire, wire_of_path
from ingest.skip import TRIES_WITHOUT_EVENT, Skip

# A proxy may refuse the unknown v2 with any status. After this many refusals in a row, v1 is tried.
REFUSALS = 5


@dataclass
class WireChoice:
    """Which wire a host is asked for. `fixed`: by the settings or by the URL's path, None where it is found out."""

    fixed: WireName | None
    found: WireName | None = None
    refusals: int = 0

    @property
    def name(self) -> WireName:
        """The wire to ask for: v2 as long as none is known."""
        return self.fixed or self.found or "v2"

    @property
    def is_unknown(self) -> bool:
        """Whether the wire is yet to be found out."""
        return self.fixed is None and self.found is None

    def connected(self, name: WireName) -> None:
        """The host has served on wire `name`."""
        if self.is_unknown:
            self.found = name
        self.refusals = 0

    def refused(self, error: HostError) -> bool:
        """Learn from an `error` of a host that was asked for v2. Returns whether it has no v2; one refusal does not tell."""
        self.refusals = self.refusals + 1 if error.fault is HostFault.REFUSED else 0
        if not lacks_wire(error) and self.refusals < REFUSALS:
            return False
        self.refusals, self.found = 0, "v1"
        return True

    def forget(self) -> None:
        """Find the wire out again."""
        self.found = None


@dataclass
class Compression:
    """How a host's frames come. `dictionary`: the one it gave, None before. `is_plain`: it is read without compression."""

    is_plain: bool = False
    dictionary: Dictionary | None = None
    _was_asked_again: bool = False

    def ask_again(self) -> bool:
        """Drop the dictionary, which the host no longer takes. Returns False where that was tried before."""
        if self._was_asked_again:
            return False
        self._was_asked_again, self.dictionary = True, None
        return True

    def give_up(self) -> bool:
        """Read the host without compression from now on. Returns False where it is so already."""
        was_plain, self.is_plain = self.is_plain, True
        return not was_plain


@dataclass
class Numbering:
    """Whether the host's cursor may be a sequence number. `renumbered_seq`: a number that has come to mean another event."""

    is_too_old: bool = False
    renumbered_seq: int | None = None

    def found_too_old(self) -> bool:
        """The host no longer has the number: ask by time once. Returns False where that is due already."""
        was_too_old, self.is_too_old = self.is_too_old, True
        return not was_too_old

    def take_too_old(self) -> bool:
        """Whether the connection that begins now is asked by time for that reason. The next one is not."""
        was_too_old, self.is_too_old = self.is_too_old, False
        return was_too_old


@dataclass(eq=False)
class HostState:
    """One host. Its `url` tells it apart; `name` is for cursors, metrics and messages.

    `lag`: how far its times are behind the revs. `skip`: the last frame that could not be received, None without any.
    `is_taken`: a follower has it. `rests_until`: it asked to be left alone until then (monotonic seconds). `asked_us`: where its
    connection was asked to begin (microseconds since 1970), None without a connection. `open_hole`: the hole at which its
    connection waits, None without any.
    """

    url: str
    name: str
    wire: WireChoice
    compression: Compression = field(default_factory=Compression)
    numbering: Numbering = field(default_factory=Numbering)
    lag: Lag = field(default_factory=Lag)
    skip: Skip | None = None
    is_taken: bool = False
    rests_until: float = 0.0
    asked_us: int | None = None
    open_hole: Hole | None = None

    @classmethod
    def configured(cls, url: str, settings: Settings) -> "HostState":
        """The host at `url`, of which nothing is known yet."""
        fixed = wire_of_path(url) if settings.jetstream_wire == "auto" else settings.jetstream_wire
        return cls(url, host_name(url), WireChoice(fixed))

    def resume(self, cursor: Cursor | None) -> None:
        """The ingester continues from `cursor`, which has the lag that was known there."""
        self.lag = Lag(None if cursor is None else cursor.lag_us)
        self.skip = None

    def connected(self, asked_us: int) -> None:
        """A connection serves the host from `asked_us` on."""
        self.asked_us = asked_us

    def disconnected(self) -> None:
        """The connection is over."""
        self.asked_us = self.open_hole = None

    @property
    def is_connected(self) -> bool:
        """Whether a connection to the host is read."""
        return self.asked_us is not None

    def came_to(self, hole: Hole) -> None:
        """The connection waits at `hole`."""
        self.open_hole = hole

    def left_hole(self) -> None:
        """The connection goes on."""
        self.open_hole = None

    def begin_lag(self) -> None:
        """A connection begins: its frames alone tell the lag from now on."""
        self.lag = self.lag.renewed()

    def observe_lag(self, frames: Sequence[bytes], times: Sequence[int]) -> None:
        """Learn the lag from some of the `frames` that it served at `times` (microseconds since 1970)."""
        self.lag = self.lag.observed(frames, times)

    @property
    def current_skip(self) -> Skip | None:
        """The frame that cannot be received and that the stream has not passed yet, None without any."""
        return None if self.skip is None or self.skip.passed_us else self.skip

    def met_too_large(self, asked_us: int, furthest_us: int) -> None:
        """A connection that began at `asked_us` ended with a frame that cannot be received.

        `furthest_us`: up to where it was read, microseconds since 1970, 0 without any event.
        """
        if (skip := self.current_skip) is None:
            skip = self.skip = Skip(furthest_us or asked_us, furthest_us or asked_us)
        skip.ended_connection(furthest_us)

    def works_around(self, fault: HostFault) -> bool:
        """Ask the host for less next time, where that can help against `fault`. Returns whether it can."""
        if fault is HostFault.CURSOR_TOO_OLD:
            return self.numbering.found_too_old()
        if fault is HostFault.UNKNOWN_DICTIONARY:
            return self.compression.ask_again() or self.compression.give_up()
        if fault is HostFault.BAD_COMPRESSION:
            return self.compression.give_up()
        if fault is HostFault.FRAME_TOO_LARGE:
            return self.skip is not None and self.skip.tries_without_event < TRIES_WITHOUT_EVENT
        return fault is HostFault.RENUMBERED
