"""Following the network through one host at a time, and leaving a host for the next one."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Iterator
from typing import Any

from bluelake.buffer.errors import BufferError
from bluelake.core.clock import to_datetime
from bluelake.core.errors import BluelakeError
from bluelake.core.metrics import Metrics
from bluelake.core.reasons import HostFault
from bluelake.core.settings import Settings
from ingest.compression import Dictionary, Inflater, fetch_dictionary
from ingest.continuity import Continuity
from ingest.errors import HostError
from ingest.flusher import Flusher
from ingest.frames import Wire
from ingest.gaps import Gaps
from ingest.hosts import Distrust, Hosts
from ingest.jetstream import Request, host_name, lacks_wire, open_stream
from ingest.receive import LARGEST_MESSAGE_BYTES, FrameStream
from ingest.session import Session
from ingest.skip import BARREN_TRIES, Skip
from ingest.wire_v1 import WireV1, asking
from ingest.wire_v2 import WireV2

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 30.0
WATCH_SECONDS = 0.1
# The event that has a cursor's number is no later than its time by more than this.
NUMBERED_US = 3_000_000
# A host that has sent so many frames of which none is an event may be none.
MANY_OTHERS = 100
# A proxy may refuse what it does not know with any other status; so often in a row, v1 is tried.
REFUSALS = 5
# A host is judged by a window only if the reader was held up for less than this share of it.
BLOCKED_SHARE = 0.1


class Follower:
    """One of the connections that are read at once.

    `host`: which it reads, empty for none, and then `trouble` tells why. `received`: events and rejects so far.
    `last_received_at`: when the last came, monotonic seconds.
    """

    def __init__(
        self, settings: Settings, flusher: Flusher, metrics: Metrics, hosts: Hosts, gaps: Gaps, stopping: asyncio.Event
    ) -> None:
        self._settings = settings
        self._flusher = flusher
        self._metrics = metrics
        self._hosts = hosts
        self._gaps = gaps
        self._stopping = stopping
        self.trouble = "not connected yet"
        self.host = ""
        self.received = 0
        self.last_received_at = time.monotonic()
        self._counted = 0

    async def run(self) -> None:
        """Follow the network until told to stop. Raises FlushConflictError, BufferUnavailableError."""
        delay, url, stay = FIRST_RETRY_SECONDS, None, False
        while not self._stopping.is_set():
            url = self._hosts.take(url, stay=stay)
            before, stay = self.received, False
            found = self._hosts.wires.get(host_name(url))
            try:
                await self._pause(self._hosts.resting_seconds(url))
                await self._follow(url)
                stay = True
            except HostError as error:
                self.trouble = str(error)
                stay = self._heed(url, error)
                if stay or error.fault in (HostFault.GAP, HostFault.SLOW):
                    delay = FIRST_RETRY_SECONDS / 2
            except BluelakeError:
                raise
            except Exception as error:
                # No host can end the ingester. Nothing that it sent after what could not be handled has moved the cursor.
                log.exception("%s did something unexpected", host_name(url))
                self.trouble = f"{host_name(url)} did something unexpected: {error!r}"
                self._heed(url, HostError(HostFault.UNEXPECTED, self.trouble))
            finally:
                self._hosts.release(url)
                if found == "v1":
                    # For one connection: a v2 host may have had no v2 for a moment, and only there an account's reset is told.
                    self._hosts.wires.pop(host_name(url), None)
            delay = FIRST_RETRY_SECONDS if self.received > before else min(delay * 2, LAST_RETRY_SECONDS)
            await self._pause(delay * random.uniform(0.5, 1.0))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _heed(self, url: str, error: HostError) -> bool:
        """Learn from what `url` did. Returns whether to try it again, in another way."""
        host, hosts = host_name(url), self._hosts
        self._metrics.counter("bluelake_ingest_host_faults_total").labels(error.fault.value).inc()
        if hosts.is_detecting(url) and self._speaks_no_v2(host, error):
            log.info("%s does not speak v2 (%s): trying v1", host, error)
            hosts.wires[host] = "v1"
            return True
        self._metrics.counter("bluelake_ingest_connection_failures_total").labels(host).inc()
        if self._work_around(host, error.fault):
            log.warning("%s; asking it for less", error)
            return True
        log.warning("%s; next host", error)
        hosts.failed(url)
        if error.retry_after_seconds:
            hosts.rest(url, error.retry_after_seconds)
        if error.fault is HostFault.REFUSED:
            hosts.wires.pop(host, None)
        return False

    def _speaks_no_v2(self, host: str, error: HostError) -> bool:
        """Whether a host that was asked for v2 has shown that it has none; one refusal may pass."""
        refusals = self._hosts.refusals
        refusals[host] = refusals[host] + 1 if error.fault is HostFault.REFUSED else 0
        if lacks_wire(error) or refusals[host] >= REFUSALS:
            refusals[host] = 0
            return True
        return False

    def _work_around(self, host: str, fault: HostFault) -> bool:
        """Ask for less next time, where that can help on the same host."""
        hosts = self._hosts
        if fault is HostFault.CURSOR_TOO_OLD and host not in hosts.by_time:
            hosts.by_time.add(host)
        elif fault is HostFault.UNKNOWN_DICTIONARY and host not in hosts.refetched:
            hosts.refetched.add(host)
            hosts.dictionaries.pop(host, None)
        elif fault in (HostFault.UNKNOWN_DICTIONARY, HostFault.BAD_COMPRESSION) and host not in hosts.plain:
            hosts.plain.add(host)
        else:
            is_skipping = fault is HostFault.FRAME_TOO_LARGE and hosts.skips[host].barren < BARREN_TRIES
            return is_skipping or fault is HostFault.RENUMBERED
        return True

    async def _follow(self, url: str) -> None:
        """Read one host until the ingester is stopped or a skipped frame is behind.

        Raises HostError, FlushConflictError, BufferUnavailableError.
        """
        if self._stopping.is_set():
            return
        host = host_name(url)
        dictionary = await self._dictionary(url)
        position = self._hosts.position(url)
        wire = WireV2(0) if self._hosts.wire_name(url) == "v2" else WireV1(0)
        skip = self._hosts.skips.get(host)
        skip = None if skip is None or skip.passed_us else skip
        asked = asking(url, [("maxMessageSizeBytes", str(LARGEST_MESSAGE_BYTES))]) if skip else url
        async with open_stream(Request(asked, wire, position, None if dictionary is None else dictionary.id)) as stream:
            self._metrics.counter("bluelake_ingest_connections_total").labels(host).inc()
            if self._hosts.is_detecting(url):
                self._hosts.wires[host] = wire.name
            self._hosts.refusals.pop(host, None)
            log.info("connected to %s (%s), from %s", host, wire.name, to_datetime(position.time_us).isoformat())
            session = self._session(url, wire, dictionary, skip)
            session.asked_us = session.begun_us = position.time_us
            if position.seq is not None:
                session.begun_us = self._flusher.cursors[host].time_us
                session.first_by_us = session.begun_us + NUMBERED_US
            try:
                with self._registered(url, session):
                    await self._read(url, session, stream)
            except HostError as error:
                if error.fault is HostFault.FRAME_TOO_LARGE:
                    self._hosts.met_too_large(host, position.time_us, session.settled_us)
                nothing_there = error.fault is HostFault.SILENT and not session.last_us
                if position.seq is not None and (nothing_there or error.fault is HostFault.RENUMBERED):
                    self._hosts.renumbered[host] = position.seq
                raise

    async def _dictionary(self, url: str) -> Dictionary | None:
        """The dictionary to ask `url` for frames with; None: it is read without compression."""
        host, hosts = host_name(url), self._hosts
        if not self._settings.jetstream_compress or host in hosts.plain:
            return None
        if host not in hosts.dictionaries:
            folder = self._settings.dictionaries_dir
            dictionary = await asyncio.to_thread(fetch_dictionary, url, folder)
            if dictionary is None:
                self._metrics.counter("bluelake_ingest_host_faults_total").labels(HostFault.NO_DICTIONARY.value).inc()
                hosts.plain.add(host)
                return None
            hosts.dictionaries[host] = dictionary
        return hosts.dictionaries[host]

    def _session(self, url: str, wire: Wire, dictionary: Dictionary | None, skip: Skip | None) -> Session:
        settings, host = self._settings, host_name(url)
        is_outdated = host in self._hosts.by_time
        self._hosts.by_time.discard(host)
        return Session(
            settings,
            self._flusher,
            self._metrics,
            host,
            wire,
            Continuity(
                settings.gap_us,
                lambda: self._flusher.horizon_us(host),
                is_outdated=is_outdated,
                network=self._hosts.network,
            ),
            lambda hole: self._gaps.judge(url, hole),
            None if dictionary is None else Inflater(dictionary, settings.max_frame_bytes, host),
            skip,
        )

    @contextlib.contextmanager
    def _registered(self, url: str, session: Session) -> Iterator[None]:
        """Let the others know that `session` is reading `url`."""
        self._hosts.sessions[url] = session
        self._metrics.gauge("bluelake_ingest_connected").inc()
        self.host = host_name(url)
        try:
            yield
        finally:
            del self._hosts.sessions[url]
            self._metrics.gauge("bluelake_ingest_connected").dec()
            self.host = ""

    async def _read(self, url: str, session: Session, stream: FrameStream) -> None:
        tasks = [
            asyncio.create_task(session.read(stream)),
            asyncio.create_task(session.tick()),
            asyncio.create_task(self._watch(url, session)),
            asyncio.create_task(self._stopping.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await _cancel(tasks)
            errors = [error for task in done if not task.cancelled() and (error := task.exception()) is not None]
            lost = next((error for error in errors if isinstance(error, BufferError)), None)
            if lost is not None:
                raise lost
            await session.finish(stream)
        except (asyncio.CancelledError, BufferError):
            await _cancel(tasks)
            await session.abandon()
            raise
        finally:
            self._count(session)
        for error in errors:
            raise error

    def _count(self, session: Session) -> None:
        if (new := session.received - self._counted) > 0:
            self._counted += new
            self.received += new
            self.last_received_at = time.monotonic()

    async def _watch(self, url: str, session: Session) -> None:
        """Raise HostError once the host is silent, or serves less than others would."""
        settings, self._counted = self._settings, 0
        began, received, blocked = time.monotonic(), 0, 0.0
        began_us = 0
        junk = Junk(began)
        # From where on the last two windows may lack events.
        newest_us = self._flusher.newest_cursor_us()
        first_us = second_us = (
            self._flusher.start_us() if newest_us is None else self._hosts.earliest_us(url, newest_us)
        )
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._count(session)
            self._hosts.trust(url, session.begun_us, session.last_us)
            now = time.monotonic()
            if session.waiting_since is not None and now - session.waiting_since >= settings.host_silent_seconds:
                raise HostError(
                    HostFault.SILENT, f"{host_name(url)} has sent nothing for {now - session.waiting_since:.0f} s"
                )
            if junk.lasts(now, session) >= settings.host_silent_seconds:
                raise HostError(HostFault.SILENT, f"{host_name(url)} sends nothing that is an event")
            if (seconds := now - began) < settings.host_slow_seconds:
                continue
            events, held_up = session.received - session.rejected - received, session.blocked_seconds - blocked
            # Nothing is learned from the first window, whose events may begin anywhere.
            went_on = (session.last_us - began_us) / 1e6 if began_us else 0.0
            began, received, blocked, began_us = now, received + events, session.blocked_seconds, session.last_us
            if held_up >= BLOCKED_SHARE * seconds:
                continue
            slow = self._hosts.usual.is_slow(url, events, seconds, went_on)
            if slow and self._hosts.others(url):
                lag_us = self._flusher.clocks.lag_us(host_name(url))
                self._hosts.distrust = Distrust(url, first_us - lag_us, session.last_us - lag_us)
                session.doubtful_from_us = first_us
                raise HostError(
                    HostFault.SLOW, f"{host_name(url)} serves {events / seconds:.0f} events/s, which is slow"
                )
            first_us, second_us = second_us, session.last_us or second_us


class Junk:
    """For how long a host has sent many frames of which none is an event."""

    def __init__(self, now: float) -> None:
        self._since, self._events, self._others = now, 0, 0

    def lasts(self, now: float, session: Session) -> float:
        """Seconds at `now` (monotonic) since the last event of `session`, 0 while few other frames have come since."""
        events, others = session.received - session.rejected, session.rejected + session.notices
        if events > self._events:
            self._since, self._events, self._others = now, events, others
        return now - self._since if others - self._others >= MANY_OTHERS else 0.0


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
