"""Which holes in what a host serves are gaps: those that no other host fills.

A hole lies between the time up to which everything is here and the first event after it. The other hosts are tried for it, one
after the other. If none has it, the host with the smallest hole is taken, and its hole is noted as a gap. Nothing that lies
behind a hole is flushed before that, so a crash finds the hole again.

Values in, values out: `Gaps` knows no connection, and says what to do next.
"""

import logging
import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bluelake.core.clock import to_datetime
from bluelake.core.reasons import GapCause
from ingest.continuity import Hole
from ingest.jetstream import host_name

log = logging.getLogger(__name__)

# Hosts' clocks are compared no better than this. Two hosts' holes that end so close to each other are the same one.
SAME_US = 1_000_000
# A host whose hole ends earlier by more than this has events that another one lacks.
BETTER_US = 50_000
NOTED_KEPT = 16
# Hosts that answer differently each time are not asked for ever.
MOVES_A_HOST = 4
# A host that fails this often while it is wanted for a gap does not have it.
TRIAL_FAILURES = 3


@dataclass(frozen=True)
class OpenHole:
    """A hole at which the connection to `url` waits.

    `horizon_us`: everything up to here is in Redis. `asked_us`: where the connection was asked to begin. Both are microseconds
    since 1970, by the host's clock, as the hole's bounds are. `lag_us`: the host's lag. `can_compare`: whether its clock can be
    compared with those of the hosts that were followed.
    """

    url: str
    hole: Hole
    horizon_us: int
    lag_us: int
    asked_us: int
    can_compare: bool = True

    @property
    def is_open(self) -> bool:
        """Whether nobody has served it yet."""
        return self.hole.is_open(self.horizon_us)

    @property
    def start_us(self) -> int:
        """Where it begins now, by the host's clock."""
        return max(self.hole.from_us, self.horizon_us)

    @property
    def bounds(self) -> tuple[int, int]:
        """Where it begins and ends by the clock of the revs, so that it can be compared with other hosts' holes."""
        return self.start_us - self.lag_us, self.hole.to_us - self.lag_us

    def __str__(self) -> str:
        return f"{_shown(self.start_us)} to {_shown(self.hole.to_us)}"


@dataclass(frozen=True)
class Filled:
    """The hole is none any more, or is noted already: go on behind it."""


@dataclass(frozen=True)
class Wait:
    """A host that is read beside may yet serve it."""


@dataclass(frozen=True)
class AskHost:
    """Leave the host, and ask `url` for the hole first. It is the same host where that one is asked again."""

    url: str


@dataclass(frozen=True)
class Gap:
    """No host serves the span from `from_us` to `to_us`, microseconds since 1970, margins included: note it, and go on."""

    from_us: int
    to_us: int
    cause: GapCause


Verdict = Filled | Wait | AskHost | Gap


@dataclass
class Trial:
    """A span that one host lacks, and that others are asked for.

    `tried`: by URL, where that host went on. `failures`: by URL, how often it failed meanwhile. `wanted`: the URL to try next.
    `moves`: how often a host was left for it.
    """

    tried: dict[str, float] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    wanted: str | None = None
    moves: int = 0


class Gaps:
    """Judges the holes of all connections.

    `hosts`: how many are configured. `margin_us`: a gap is noted wider by this on both sides. `clocks_margin_us`: the same at its
    beginning, where hosts' clocks cannot be compared.
    """

    def __init__(self, hosts: int, margin_us: int, clocks_margin_us: int) -> None:
        self._hosts = hosts
        self._margin_us = margin_us
        self._clocks_margin_us = clocks_margin_us
        self._trial = Trial()
        # The last gaps, by the clock of the revs. The flushes that bring them may be under way.
        self._noted: deque[tuple[int, int]] = deque(maxlen=NOTED_KEPT)

    def reset(self) -> None:
        """Forget everything: what was not flushed is served again."""
        self._trial = Trial()
        self._noted.clear()

    def take_wanted(self) -> str | None:
        """The URL to connect to next for a hole, if any. It is told once."""
        wanted, self._trial.wanted = self._trial.wanted, None
        return wanted

    def failed(self, url: str) -> None:
        """A connection to `url` failed, so it cannot serve what others lack either."""
        if self._trial.tried:
            self._trial.failures[url] += 1
            if self._trial.failures[url] >= TRIAL_FAILURES:
                self._trial.tried.setdefault(url, math.inf)

    def judge(
        self, hole: OpenHole, beside: Sequence[OpenHole | None], compared: int, others: Sequence[str], *, is_due: bool
    ) -> Verdict:
        """What to do at `hole`.

        `beside`: the holes of the connections that are read at the same time; None where one is at no hole. `compared`: how many
        connections are read at once. `others`: the URLs that could be taken in place of the hole's. `is_due`: it has waited for
        long enough.
        """
        if not hole.is_open:
            log.info("another host has served what %s lacks up to %s", host_name(hole.url), _shown(hole.hole.to_us))
            return Filled()
        # Each connection beside must have come to a hole too: it may be about to come back.
        stands_alone = len(beside) >= compared - 1 and all(other is not None and other.is_open for other in beside)
        if not stands_alone and not is_due:
            return Wait()
        start, end = hole.bounds
        if any(first - SAME_US <= start and end <= last + SAME_US for first, last in self._noted):
            return Filled()
        wanted = self._wanted_for(hole, others)
        if wanted is not None:
            self._trial.wanted = wanted
            return AskHost(wanted)
        self._noted.append((start, end))
        cause = hole.hole.cause
        log.error("no host serves %s: a gap (%s)", hole, cause.value)
        # Perhaps the hole's beginning comes from another host's clock, which nobody has compared with this one's.
        margin_us = max(self._margin_us, SAME_US) if hole.can_compare else self._clocks_margin_us
        return Gap(hole.start_us - margin_us, hole.hole.to_us + self._margin_us, cause)

    def _wanted_for(self, hole: OpenHole, others: Sequence[str]) -> str | None:
        """The URL that has yet to be tried for `hole`; its own, for a replay of what it skipped. None once all were tried."""
        url, (start, end) = hole.url, hole.bounds
        ends = [other for other in self._trial.tried.values() if other < math.inf]
        if ends and start >= max(ends):
            self._trial = Trial()
        trial = self._trial
        is_first_try = url not in trial.tried
        trial.tried[url] = end
        # The host's clock is slow, and was not known when it was asked: nobody has asked it for the hole's beginning yet.
        was_asked_late = hole.asked_us > hole.start_us
        if is_first_try and (was_asked_late or (not others and hole.hole.cause is GapCause.HOST_SKIPPED)):
            return url
        # A host that goes on before this hole begins has yet to be tried for it.
        untried = [other for other in others if trial.tried.get(other, 0) <= start]
        best = min((url, *others), key=lambda candidate: trial.tried.get(candidate, 0))
        wanted = untried[0] if untried else best
        is_better = untried or trial.tried[best] < end - BETTER_US
        if wanted == url or not is_better or trial.moves >= MOVES_A_HOST * self._hosts:
            return None
        trial.moves += 1
        return wanted


def _shown(time_us: int) -> str:
    return to_datetime(time_us).isoformat()
