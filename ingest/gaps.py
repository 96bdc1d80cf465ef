"""Which holes in what a host serves are gaps: those that no other host fills.

A hole lies between the time up to which everything is here and the first event after it. The other hosts are tried for it,
one after the other; if none has it, the host whose hole is the smallest is taken, and what it lacks is noted. Nothing of what
lies behind a hole is flushed before that, so that a crash finds it again.
"""

import asyncio
import logging
import math
import time
from collections import deque

from bluelake.core.clock import to_datetime
from bluelake.core.reasons import GapCause, HostFault
from bluelake.core.settings import Settings
from ingest.continuity import Hole
from ingest.errors import HostError
from ingest.flusher import Flusher
from ingest.hosts import Hosts, Trial
from ingest.jetstream import host_name

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
# Hosts' clocks are compared no better than this: two hosts' holes that end so close to each other are the same one.
SAME_US = 1_000_000
# A host whose hole ends earlier by more than this has events that another one lacks.
BETTER_US = 50_000
NOTED_KEPT = 16
# Hosts that answer differently each time are not asked for ever.
MOVES_A_HOST = 4


class Gaps:
    """Judges holes; shared by all connections."""

    def __init__(self, settings: Settings, hosts: Hosts, flusher: Flusher) -> None:
        # What was noted last, without the hosts' clocks; the flushes that bring it may be under way.
        self.noted: deque[tuple[int, int]] = deque(maxlen=NOTED_KEPT)
        self._hosts = hosts
        self._flusher = flusher
        # A connection that is read beside may be about to come back.
        self._patience_seconds = settings.host_silent_seconds
        self._margin_us = settings.rewind_us
        self._clocks_margin_us = settings.failover_rewind_us

    async def judge(self, url: str, hole: Hole) -> tuple[int, int] | None:
        """The bounds of the gap that `hole` of host `url` is, or None if it is filled or is none after all.

        Waits while a host that is read beside this one may yet serve it. Raises HostError (GAP) where another host is to be
        tried first.
        """
        patience = time.monotonic() + self._patience_seconds
        host = host_name(url)
        while True:
            horizon_us = self._flusher.horizon_us(host)
            if not hole.is_open(horizon_us):
                log.info("%s lacks a span up to %s, which another host has served", host, _shown(hole.to_us))
                return None
            session = self._hosts.sessions.get(url)
            if session is not None and session.doubt is not hole:
                return None
            if self._stands_alone(url) or time.monotonic() > patience:
                break
            await asyncio.sleep(POLL_SECONDS)
        start_us = max(hole.from_us, horizon_us)
        lag_us = self._flusher.clocks.lag_us(host)
        start, end = start_us - lag_us, hole.to_us - lag_us
        if any(first - SAME_US <= start and end <= last + SAME_US for first, last in self.noted):
            return None
        self._try_elsewhere(url, hole, start_us)
        self.noted.append((start, end))
        log.error("no host serves %s to %s: a gap (%s)", _shown(start_us), _shown(hole.to_us), hole.cause.value)
        # The time from which on events may be missing is perhaps of another host's clock, which perhaps nobody has compared yet.
        margin_us = max(self._margin_us, SAME_US) if self._flusher.compares(host) else self._clocks_margin_us
        return start_us - margin_us, hole.to_us + self._margin_us

    def _stands_alone(self, url: str) -> bool:
        """Whether none of the connections that are read beside `url`'s can fill its hole: each has come to one too."""
        beside = {other: session.doubt for other, session in self._hosts.sessions.items() if other != url}
        return len(beside) >= self._hosts.compared - 1 and all(
            doubt is not None and doubt.is_open(self._flusher.horizon_us(host_name(other)))
            for other, doubt in beside.items()
        )

    def _try_elsewhere(self, url: str, hole: Hole, start_us: int) -> None:
        """Raise HostError where another host, or this one's replay of what it skipped, has yet to be tried for `hole`."""
        end_us = hole.to_us
        hosts, lag_us = self._hosts, self._flusher.clocks.lag_us(host_name(url))
        # Other hosts' ends are compared, so all are kept without the hosts' clocks.
        start, end = start_us - lag_us, end_us - lag_us
        ends = [other for other in hosts.trial.tried.values() if other < math.inf]
        if ends and start >= max(ends):
            hosts.trial = Trial()
        trial = hosts.trial
        is_first_try = url not in trial.tried
        trial.tried[url] = end
        others = hosts.others(url)
        # Its clock was not known when it was asked, and is behind: it has not been asked for the hole's beginning yet.
        session = hosts.sessions.get(url)
        was_asked_late = session is not None and session.asked_us > start_us
        if is_first_try and (was_asked_late or (not others and hole.cause is GapCause.HOST_SKIPPED)):
            trial.wanted = url
            raise HostError(
                HostFault.GAP, f"{host_name(url)} lacks {_shown(start_us)} to {_shown(end_us)}: asking for it again"
            )
        # A host that goes on before this hole begins has yet to be tried for it.
        untried = [other for other in others if trial.tried.get(other, 0) <= start]
        best = min((url, *others), key=lambda candidate: trial.tried.get(candidate, 0))
        wanted = untried[0] if untried else best
        is_better = untried or trial.tried[best] < end - BETTER_US
        if wanted == url or not is_better or trial.moves >= MOVES_A_HOST * len(hosts.urls):
            return
        trial.wanted = wanted
        trial.moves += 1
        raise HostError(
            HostFault.GAP,
            f"{host_name(url)} lacks {_shown(start_us)} to {_shown(end_us)}: trying {host_name(wanted)} for it",
        )


def _shown(time_us: int) -> str:
    return to_datetime(time_us).isoformat()
