"""What a simulator run is told: one frozen dataclass, and the texts that people write it as."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.simulator.errors import OptionError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 6008  # Jetstream's own
DEFAULT_RATE = 50.0
DEFAULT_HISTORY_RATE = 5.0
DEFAULT_SEED = 1
DEFAULT_ACCOUNTS = 50_000
DEFAULT_KEEP_MB = 4096
MOST_HOSTS = 16
MOST_STORIES = 0.1
MOST_OFFSET_SECONDS = 86_400.0

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """Options of a run. Raises OptionError where a value cannot be used.

    host, port: where to listen; port 0 lets the system choose.
    rate: mean live events a second, 0 for none. None: DEFAULT_RATE, or 0 with `file`.
    history: how far the generated history reaches back from the epoch.
    history_rate: mean events a second in the history.
    live: how long events go on after the epoch. None: for ever.
    seed, accounts: what the synthetic population and all that it does are drawn from.
    epoch_us: where history ends and live begins, microseconds since 1970. None: when the run starts.
        The same seed, epoch, history and rates give the same timeline.
    file: a file of frames, a line each, that is the history instead of a generated one.
    ledger: where to record the truth. None: nowhere.
    pregenerate: listen only once the history is complete, instead of serving it while it is made.
    keep_mb: how much of the timeline, compressed, stays replayable; the oldest goes first.
    hosts: how many Jetstream hosts serve the timeline, on consecutive ports.
    clock_offsets: seconds by which each host's clock is off, 0 for the hosts that are not named.
    retention: how far back the hosts replay. None: as far as the timeline reaches.
    sync_share: share of the events that reset a repository; only v2 serves them.
    hard_cases: share of the events that begin a hard case: a key used again, an edit taken back, an account that goes and
        comes back, a delete of something old.
    faults: whether `/control/<fault>` makes a host misbehave.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    rate: float | None = None
    history: timedelta = timedelta(0)
    history_rate: float = DEFAULT_HISTORY_RATE
    live: timedelta | None = None
    seed: int = DEFAULT_SEED
    accounts: int = DEFAULT_ACCOUNTS
    epoch_us: int | None = None
    file: Path | None = None
    ledger: Path | None = None
    pregenerate: bool = False
    keep_mb: int = DEFAULT_KEEP_MB
    hosts: int = 1
    clock_offsets: tuple[float, ...] = ()
    retention: timedelta | None = None
    sync_share: float = 0.0
    hard_cases: float = 0.0
    faults: bool = False

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        if not 0 <= self.port <= 65535:
            raise OptionError(f"port={self.port}: use 0 to 65535")
        self._check_hosts()
        for name in ("rate", "history_rate"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1_000_000:
                raise OptionError(f"{name}={value}: use events a second, 0 to 1000000")
        for name in ("sync_share", "hard_cases"):
            if not 0 <= getattr(self, name) <= MOST_STORIES:
                raise OptionError(f"{name}={getattr(self, name)}: use a share of the events, 0 to {MOST_STORIES}")
        if self.history < timedelta(0):
            raise OptionError(f"history={self.history}: use a duration of at least 0")
        if self.live is not None and self.live < timedelta(0):
            raise OptionError(f"live={self.live}: use a duration of at least 0")
        if self.accounts < 2:
            raise OptionError(f"accounts={self.accounts}: use at least 2, someone has to follow someone")
        if self.keep_mb < 1:
            raise OptionError(f"keep_mb={self.keep_mb}: use at least 1")
        if self.file is not None and self.history:
            raise OptionError("file and history: the file is the history; leave one of them out")

    def _check_hosts(self) -> None:
        if not 1 <= self.hosts <= MOST_HOSTS or self.port + self.hosts - 1 > 65535:
            raise OptionError(f"hosts={self.hosts}: use 1 to {MOST_HOSTS}, and a port that leaves room for all")
        if len(self.clock_offsets) > self.hosts:
            raise OptionError(f"clock_offsets={self.clock_offsets}: name at most one a host, there are {self.hosts}")
        for seconds in self.clock_offsets:
            if not abs(seconds) <= MOST_OFFSET_SECONDS:
                raise OptionError(f"clock_offsets={seconds}: use seconds, at most a day either way")
        if self.retention is not None and self.retention <= timedelta(0):
            raise OptionError(f"retention={self.retention}: use a duration above 0")

    def offset_us(self, host: int) -> int:
        """By how many microseconds a host's clock is off."""
        return round(self.clock_offsets[host] * 1_000_000) if host < len(self.clock_offsets) else 0

    @property
    def live_rate(self) -> float:
        """Mean live events a second, with the default worked out."""
        if self.rate is not None:
            return self.rate
        return 0.0 if self.file is not None else DEFAULT_RATE


def parse_duration(text: str) -> timedelta:
    """`2d`, `36h`, `1h30m`, `90s`, `0` as a timedelta. Raises OptionError."""
    match = _DURATION.fullmatch(text.strip().lower())
    if text.strip() == "0":
        return timedelta(0)
    if match is None or not any(match.groups()):
        raise OptionError(f"{text!r}: not a duration; use days, hours, minutes, seconds, as in 2d, 36h, 1h30m, 90s")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        raise OptionError(f"{text!r}: too long a duration; use days, as in 2d") from None


def parse_offsets(text: str) -> tuple[float, ...]:
    """`0,2.5,-3` as seconds. Raises OptionError."""
    try:
        return tuple(float(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise OptionError(
            f"{text!r}: not clock offsets; use seconds with commas between them, as in 0,2.5,-3"
        ) from None


def parse_moment(text: str) -> int:
    """Microseconds since 1970 of `2026-07-04T12:00:00Z`, `2026-07-04` or a number of them; UTC. Raises OptionError."""
    if text.strip().isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise OptionError(f"{text!r}: not a moment; use 2026-07-04T12:00:00Z or microseconds since 1970") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
