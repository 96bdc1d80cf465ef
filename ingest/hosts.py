"""The configured hosts: whose turn it is, what was learned of each, and where to resume on it."""

import math
import time
from collections import Counter
from dataclasses import dataclass, field

from bluelake.core.settings import Settings
from bluelake.core.watermark import Cursor
from ingest.compression import Dictionary
from ingest.continuity import Network
from ingest.flusher import Flusher
from ingest.frames import WireName
from ingest.jetstream import host_name, wire_of_path
from ingest.rates import UsualRate
from ingest.session import Session
from ingest.skip import Skip

# A v2 host takes a cursor of this much or more for a time.
FIRST_TIME = 10**15
# A host that cannot be had so often while it is wanted for a gap does not have it.
TRIAL_FAILURES = 3


@dataclass(frozen=True)
class Distrust:
    """A span of which `url` may have served only a part; another host is to serve it again.

    Microseconds since 1970, by the clock of the revs.
    """

    url: str
    from_us: int
    to_us: int


@dataclass
class Trial:
    """A span that one host lacks, and that others are asked for.

    `tried`: by URL, where that host went on. `failures`: by URL, how often it could not be had meanwhile. `wanted`: the URL to
    try next. `moves`: how often a host was left for it.
    """

    tried: dict[str, float] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    wanted: str | None = None
    moves: int = 0


class Hosts:
    """What is known of all hosts; every connection shares it."""

    def __init__(self, settings: Settings, flusher: Flusher) -> None:
        self._settings = settings
        self._flusher = flusher
        self.urls = tuple(dict.fromkeys(settings.jetstream_urls))
        self.compared = min(settings.bluelake_hosts_compared, len(self.urls))
        self._held: set[str] = set()
        self._resting: dict[str, float] = {}
        self.sessions: dict[str, Session] = {}
        self.trial = Trial()
        self.distrust: Distrust | None = None
        self.network = Network()
        rate_path = settings.home / "ingest-rate.json"
        self.usual = UsualRate(settings.host_slow_share, frozenset(self.urls), rate_path)
        # By host: the wire that it was found to speak, and its dictionary.
        self.wires: dict[str, WireName] = {}
        self.dictionaries: dict[str, Dictionary] = {}
        # By host: how often in a row it has refused to speak v2.
        self.refusals: Counter[str] = Counter()
        # Hosts that are read without compression; whose dictionary was asked for twice; that no longer have their seq.
        self.plain: set[str] = set()
        self.refetched: set[str] = set()
        self.by_time: set[str] = set()
        # By host: the sequence number that has come to mean another event there, or none.
        self.renumbered: dict[str, int] = {}
        # By host: the last frame that could not be received.
        self.skips: dict[str, Skip] = {}

    def take(self, last: str | None, *, stay: bool) -> str:
        """The URL to connect to next, held until `release`: the one that is wanted for a gap, `last` again, or the next one."""
        free = [url for url in self.urls if url not in self._held]
        wanted, self.trial.wanted = self.trial.wanted, None
        if wanted in free and not self.resting_seconds(wanted):
            chosen = wanted
        elif stay and last in free:
            chosen = last
        else:
            turn = 0 if last is None else self.urls.index(last) + 1
            order = [url for url in (*self.urls[turn:], *self.urls[:turn]) if url in free]
            now = time.monotonic()
            awake = [url for url in order if self._resting.get(url, 0.0) <= now]
            chosen = awake[0] if awake else min(order, key=lambda url: self._resting[url])
        self._held.add(chosen)
        return chosen

    def release(self, url: str) -> None:
        """`url` can be taken by others again."""
        self._held.discard(url)

    def rest(self, url: str, seconds: float) -> None:
        """Leave `url` alone for a while, if there are others."""
        self._resting[url] = time.monotonic() + seconds

    def resting_seconds(self, url: str) -> float:
        """For how long yet `url` asked to be left alone."""
        return max(0.0, self._resting.get(url, 0.0) - time.monotonic())

    def others(self, url: str) -> list[str]:
        """The URLs that could be taken in place of `url`."""
        return [other for other in self.urls if other != url and other not in self._held]

    def failed(self, url: str) -> None:
        """`url` could not be had, so that it cannot serve what others lack either."""
        self.usual.no_better(url)
        if self.trial.tried:
            self.trial.failures[url] += 1
            if self.trial.failures[url] >= TRIAL_FAILURES:
                self.trial.tried.setdefault(url, math.inf)

    def met_too_large(self, host: str, asked_us: int, settled_us: int) -> None:
        """A connection to `host` that began at `asked_us` ended with a frame that cannot be received.

        `settled_us`: up to where it was read, microseconds since 1970, 0 without any event.
        """
        skip = self.skips.get(host)
        if skip is None or skip.passed_us:
            skip = self.skips[host] = Skip(settled_us or asked_us, settled_us or asked_us)
        skip.met(settled_us)

    def trust(self, url: str, begun_us: int, last_us: int) -> None:
        """A connection to `url` that began at `begun_us` has been read up to `last_us`, by its own clock.

        What another host may have left out in between is here.
        """
        if self.distrust is None or self.distrust.url == url:
            return
        lag_us = self._flusher.clocks.lag_us(host_name(url))
        if begun_us - lag_us <= self.distrust.from_us and last_us - lag_us >= self.distrust.to_us:
            self.distrust = None

    def wire_name(self, url: str) -> WireName:
        """The wire to speak with `url`: the setting's, its path's, the one found out, else v2, to find out."""
        if self._settings.jetstream_wire != "auto":
            return self._settings.jetstream_wire
        return wire_of_path(url) or self.wires.get(host_name(url), "v2")

    def is_detecting(self, url: str) -> bool:
        """Whether `url`'s wire is not known yet."""
        return (
            self._settings.jetstream_wire == "auto" and wire_of_path(url) is None and host_name(url) not in self.wires
        )

    def earliest_us(self, url: str, made_us: int) -> int:
        """The earliest time that `url` may have given to an event that was made at `made_us`, by the clock of the revs.

        A host that lagged may have caught up since; one whose clock is behind stays so.
        """
        return made_us + min(0, self._flusher.clocks.lag_us(host_name(url)))

    def position(self, url: str) -> Cursor:
        """Where `url` is to begin.

        A host's own cursor is good as long as it is among the newest; else it begins by time, with room for the difference
        between the hosts' clocks: no later than where any host has been followed to, without that host's lag. A frame that
        cannot be received is not asked for again.
        """
        host = host_name(url)
        skip = self.skips.get(host)
        if skip is not None and not skip.passed_us:
            return Cursor(min(skip.position_us, self._flusher.clock_us()))
        newest_us = self._flusher.newest_cursor_us()
        if newest_us is None:
            return Cursor(self._flusher.start_us())
        distrust = None if self.distrust is None or self.distrust.url == url else self.distrust
        if distrust is not None:
            newest_us = min(distrust.from_us, newest_us)
        failover_us = self.earliest_us(url, newest_us) - self._settings.failover_rewind_us
        if distrust is not None:
            return Cursor(failover_us)
        own = self._flusher.cursors.get(host)
        if own is None or own.time_us < failover_us:
            return Cursor(failover_us)
        # Its clock may have been set back since then.
        set_back_us = max(0, own.lag_us - self._flusher.clocks.lag_us(host)) if own.lag_us is not None else 0
        rewound_us = own.time_us - set_back_us - self._settings.rewind_us
        if skip is not None and rewound_us <= skip.passed_us:
            return Cursor(skip.passed_us)
        by_time = self.wire_name(url) != "v2" or host in self.by_time
        if by_time or own.seq is None or own.seq >= FIRST_TIME or own.seq == self.renumbered.get(host):
            return Cursor(rewound_us)
        return Cursor(rewound_us, own.seq)
