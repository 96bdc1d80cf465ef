"""The options of a simulator run: one frozen dataclass, and the texts in which people write their values.

Each option is named once, in `SimulatorOptions`: its field is the value in Python, and its annotation makes it an option of
the command line. To add one, add a field.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token

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


def _written(parse: Callable[[str], object], example: str, help_: str, *, name: str | None = None) -> Parameter:
    """An option whose text `parse` reads. Help shows `example` for its value, and no default: that one is no text."""
    return Parameter(
        name=name,
        converter=lambda _, tokens: parse(_only(tokens)),
        n_tokens=1,
        accepts_keys=False,
        allow_leading_hyphen=True,
        negative="",
        metavar=example,
        show_default=False,
        help=help_,
    )


def _only(tokens: Sequence[Token]) -> str:
    (token,) = tokens
    return token.value


Seed = Annotated[int, Parameter(help="What everything is drawn from.")]
Accounts = Annotated[int, Parameter(help="Size of the synthetic population.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """Options of a run. The help of each is its meaning. Raises OptionError where a value cannot be used.

    The same seed, epoch, history and rates give the same timeline.
    `epoch_us` is in microseconds since 1970; None is the moment when the run starts. `rate` is None for DEFAULT_RATE, or for
    0 with `file`. `live` is None for ever, `retention` for all of the timeline, `ledger` for none.
    """

    host: Annotated[str, Parameter(help="Address to listen on.")] = DEFAULT_HOST
    port: Annotated[
        int,
        Parameter(help="Port of the first host, the others follow; 0 lets the system choose.", show_default=False),
    ] = DEFAULT_PORT
    rate: Annotated[
        float | None,
        Parameter(help=f"Mean live events a second, 0 for none. Default: {DEFAULT_RATE:g}, with --file 0."),
    ] = None
    history: Annotated[
        timedelta,
        _written(parse_duration, "2d", "How far the generated history reaches back from the epoch: 2d, 36h, 90s."),
    ] = timedelta(0)
    history_rate: Annotated[float, Parameter(help="Mean events a second in the history.")] = DEFAULT_HISTORY_RATE
    live: Annotated[
        timedelta | None,
        _written(parse_duration, "90s", "How long events go on after the epoch: 90s. Default: for ever."),
    ] = None
    seed: Seed = DEFAULT_SEED
    accounts: Accounts = DEFAULT_ACCOUNTS
    epoch_us: Annotated[
        int | None,
        _written(
            parse_moment,
            "TIME",
            "When history ends and live begins, UTC. Give the same again to continue a timeline.",
            name="--epoch",
        ),
    ] = None
    file: Annotated[Path | None, Parameter(help="Serve this file's lines as the history, byte for byte.")] = None
    ledger: Annotated[Path | None, Parameter(help="Record the truth here, a JSON line an event.")] = None
    pregenerate: Annotated[
        bool, Parameter(negative="", help="Listen only once the history is complete, instead of while it is made.")
    ] = False
    keep_mb: Annotated[
        int, Parameter(help="Compressed megabytes of timeline that stay replayable, in the temporary folder.")
    ] = DEFAULT_KEEP_MB
    hosts: Annotated[int, Parameter(help="How many Jetstream hosts serve the timeline, on consecutive ports.")] = 1
    clock_offsets: Annotated[
        tuple[float, ...],
        _written(parse_offsets, "0,2.5,-3", "Seconds by which each host's clock is off: 0,2.5,-3. Default: 0."),
    ] = ()
    retention: Annotated[
        timedelta | None, _written(parse_duration, "36h", "How far back the hosts replay: 36h, 90s. Default: all.")
    ] = None
    sync_share: Annotated[
        float, Parameter(help="Share of the events that reset a repository, as 0.0002. v1 serves them with --v1-sync.")
    ] = 0.0
    hard_cases: Annotated[
        float, Parameter(help="Share of the events that begin a hard case, such as an edit that is taken back.")
    ] = 0.0
    doubled_creates: Annotated[
        float, Parameter(help="Share of the events that begin a record which is created twice, with two revs.")
    ] = 0.0
    resyncs: Annotated[
        float, Parameter(help="Share of the events that begin a reset after which old records come again with its rev.")
    ] = 0.0
    imported_times: Annotated[
        float, Parameter(help="Share of the creates that begin a run of events with times of years ago.")
    ] = 0.0
    skewed_clocks: Annotated[
        float, Parameter(help="Share of the identity and account events whose server claims a wrong time.")
    ] = 0.0
    v1_sync: Annotated[bool, Parameter(negative="", help="Serve resets of repositories on v1 too.")] = False
    faults: Annotated[bool, Parameter(negative="", help="Let /control/NAME make a host misbehave.")] = False

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        if not 0 <= self.port <= 65535:
            raise OptionError(f"port={self.port}: use 0 to 65535")
        self._check_hosts()
        for name in ("rate", "history_rate"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1_000_000:
                raise OptionError(f"{name}={value}: use events a second, 0 to 1000000")
        for name in ("sync_share", "hard_cases", "doubled_creates", "resyncs"):
            if not 0 <= getattr(self, name) <= MOST_STORIES:
                raise OptionError(f"{name}={getattr(self, name)}: use a share of the events, 0 to {MOST_STORIES}")
        for name in ("imported_times", "skewed_clocks"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name}={getattr(self, name)}: use a share, 0 to 1")
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
