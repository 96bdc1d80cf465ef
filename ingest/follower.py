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
from bluelake.core.watermark import Cursor
from ingest.clocks import SuspectSpan, earliest_us
from ingest.compression import Dictionary, Inflater, fetch_dictionary
from ingest.continuity import Continuity, Hole, Resume
from ingest.decoder import Decoder
from ingest.errors import HostError, SlowHostError
from ingest.flusher import Flusher
from ingest.frames import Wire
from ingest.gaps import AskHost, Filled, Gap, Gaps, OpenHole, Wait
from ingest.host import HostState
from ingest.hosts import Hosts
from ingest.jetstream import Request, host_name, open_stream
from ingest.receive import LARGEST_MESSAGE_BYTES, FrameStream
from ingest.session import Beginning, Session
from ingest.steady_clock import steady_now_us
from ingest.watchdog import Watchdog, Window
from ingest.wire_v1 import WireV1, asking
from ingest.wire_v2 import WireV2

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 30.0
WATCH_SECONDS = 0.1
HOLE_POLL_SECONDS = 0.05
# The event that has a cursor's number is no later than its time by more than this.
NUMBERED_US = 3_000_000


class Follower:
    """One of the connections that are read at once.

    `host`: the name of the host that it reads, empty for none; then `trouble` tells why. `received`: events and rejects so far.
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
        # Whether the connection is made to serve what lies in a hole. The host's numbers do not speak for it there.
        self._is_for_hole = False

    async def run(self) -> None:
        """Follow the network until told to stop. Raises FlushConflictError, BufferUnavailableError."""
        delay, stay = FIRST_RETRY_SECONDS, False
        state: HostState | None = None
        while not self._stopping.is_set():
            wanted = self._gaps.take_wanted()
            state = self._hosts.take(state, stay=stay, wanted=wanted)
            self._is_for_hole = state.url == wanted
            before, stay = self.received, False
            found = state.wire.found
            try:
                await self._pause(max(0.0, state.rests_until - time.monotonic()))
                await self._follow(state)
                stay = True
            except HostError as error:
                self.trouble = str(error)
                stay = self._learn_from(state, error)
                # A silent host has been read for long enough. An event may come at any moment.
                if stay or error.fault in (HostFault.GAP, HostFault.SLOW, HostFault.SILENT):
                    delay = FIRST_RETRY_SECONDS / 2
            except BluelakeError:
                raise
            except Exception as error:
                # No host can end the ingester. No frame behind the one that could not be handled has moved the cursor.
                log.exception("%s did something unexpected", state.name)
                self.trouble = f"{state.name} did something unexpected: {error!r}"
                self._learn_from(state, HostError(HostFault.UNEXPECTED, self.trouble))
            finally:
                self._hosts.release(state)
                if found == "v1":
                    # It was for one connection. A v2 host may have had no v2 for a moment, and v1 may not tell a reset.
                    state.wire.forget()
            delay = FIRST_RETRY_SECONDS if self.received > before else min(delay * 2, LAST_RETRY_SECONDS)
            await self._pause(delay * random.uniform(0.5, 1.0))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _learn_from(self, state: HostState, error: HostError) -> bool:
        """Learn from an `error` of the host. Returns whether to try it again, in another way."""
        self._metrics.counter("bluelake_ingest_host_faults_total").labels(error.fault.value).inc()
        if state.wire.is_unknown and state.wire.refused(error):
            log.info("%s does not speak v2 (%s): trying v1", state.name, error)
            return True
        self._metrics.counter("bluelake_ingest_connection_failures_total").labels(state.name).inc()
        if state.works_around(error.fault):
            log.warning("%s; asking it for less", error)
            return True
        log.warning("%s; next host", error)
        self._hosts.usual.no_better(state.url)
        self._gaps.failed(state.url)
        if error.retry_after_seconds:
            state.rests_until = time.monotonic() + error.retry_after_seconds
        if error.fault is HostFault.REFUSED:
            state.wire.forget()
        return False

    async def _follow(self, state: HostState) -> None:
        """Read one host until the ingester is stopped or a skipped frame is behind.

        Raises HostError, FlushConflictError, BufferUnavailableError.
        """
        if self._stopping.is_set():
            return
        dictionary = await self._dictionary(state)
        position = self._hosts.position(state, self._flusher.progress, steady_now_us())
        wire = WireV2(0) if state.wire.name == "v2" else WireV1(0)
        asked = state.url
        if state.current_skip is not None:
            asked = asking(state.url, [("maxMessageSizeBytes", str(LARGEST_MESSAGE_BYTES))])
        async with open_stream(Request(asked, wire, position, None if dictionary is None else dictionary.id)) as stream:
            self._metrics.counter("bluelake_ingest_connections_total").labels(state.name).inc()
            state.wire.connected(wire.name)
            log.info("connected to %s (%s), from %s", state.name, wire.name, to_datetime(position.time_us).isoformat())
            beginning = self._beginning(state, position)
            session = self._session(state, wire, dictionary, beginning)
            try:
                with self._registered(state, position.time_us):
                    await self._read(state, session, beginning, stream)
            except HostError as error:
                if error.fault is HostFault.FRAME_TOO_LARGE:
                    state.met_too_large(position.time_us, session.furthest_us)
                nothing_there = error.fault is HostFault.SILENT and not session.last_us
                if position.seq is not None and (nothing_there or error.fault is HostFault.RENUMBERED):
                    state.numbering.renumbered_seq = position.seq
                raise

    async def _dictionary(self, state: HostState) -> Dictionary | None:
        """The dictionary to ask the host for frames with; None: it is read without compression."""
        compression = state.compression
        if not self._settings.jetstream_compress or compression.is_plain:
            return None
        if state.wire.name == "v1" and self._hosts.dictionary is not None:
            # A host on /subscribe has one dictionary, whatever it offers to others.
            return self._hosts.dictionary
        if compression.dictionary is None:
            folder = self._settings.dictionaries_dir
            compression.dictionary = await asyncio.to_thread(fetch_dictionary, state.url, folder)
            if compression.dictionary is None:
                self._metrics.counter("bluelake_ingest_host_faults_total").labels(HostFault.NO_DICTIONARY.value).inc()
                self._hosts.read_plain(state)
        return compression.dictionary

    def _beginning(self, state: HostState, position: Cursor) -> Beginning:
        if position.seq is None:
            return Beginning(position.time_us, position.time_us)
        begun_us = self._flusher.progress.cursors[state.name].time_us
        return Beginning(position.time_us, begun_us, begun_us + NUMBERED_US)

    def _session(self, state: HostState, wire: Wire, dictionary: Dictionary | None, beginning: Beginning) -> Session:
        settings = self._settings
        inflater = None if dictionary is None else Inflater(dictionary, settings.max_frame_bytes, state.name)
        continuity = Continuity(
            settings.gap_us,
            lambda: self._flusher.progress.horizon_us(state.lag.us),
            is_outdated=state.numbering.take_too_old(),
            network=self._hosts.network,
            resume=Resume(
                beginning.asked_us,
                is_first=not self._flusher.progress.cursors,
                numbered_until_us=steady_now_us() if beginning.is_by_number and not self._is_for_hole else 0,
            ),
        )
        return Session(
            settings,
            self._flusher,
            self._metrics,
            state,
            Decoder(settings, wire, inflater),
            continuity,
            lambda hole: self._judge(state, hole),
            beginning,
        )

    @contextlib.contextmanager
    def _registered(self, state: HostState, asked_us: int) -> Iterator[None]:
        """Let the others know that the host is being read."""
        state.connected(asked_us)
        self._metrics.gauge("bluelake_ingest_connected").inc()
        self.host = state.name
        try:
            yield
        finally:
            state.disconnected()
            self._metrics.gauge("bluelake_ingest_connected").dec()
            self.host = ""

    async def _judge(self, state: HostState, hole: Hole) -> Gap | None:
        """The gap that the host's `hole` is, or None if it is filled or is none after all.

        Waits while a host that is read beside may yet serve it. Raises HostError (GAP) where another host is to be tried first.
        """
        patience = time.monotonic() + self._settings.host_silent_seconds
        while (mine := self._open_hole(state)) is not None and mine.hole is hole:
            verdict = self._gaps.judge(
                mine,
                [self._open_hole(other) for other in self._hosts.beside(state.url)],
                self._hosts.compared,
                [other.url for other in self._hosts.others(state.url)],
                is_due=time.monotonic() > patience,
            )
            match verdict:
                case Wait():
                    await asyncio.sleep(HOLE_POLL_SECONDS)
                case AskHost(url):
                    what = "asking for it again" if url == state.url else f"trying {host_name(url)} for it"
                    raise HostError(HostFault.GAP, f"{state.name} lacks {mine}: {what}")
                case Gap():
                    return verdict
                case Filled():
                    return None
        return None

    def _open_hole(self, state: HostState) -> OpenHole | None:
        """The hole at which the host's connection waits, None where it is at none."""
        if state.open_hole is None or state.asked_us is None:
            return None
        progress, lag_us = self._flusher.progress, state.lag.us
        can_compare = progress.can_compare(state.name, state.lag.known_us)
        horizon_us = progress.horizon_us(lag_us)
        return OpenHole(state.url, state.open_hole, horizon_us, lag_us, state.asked_us, can_compare)

    async def _read(self, state: HostState, session: Session, beginning: Beginning, stream: FrameStream) -> None:
        tasks = [
            asyncio.create_task(session.read(stream)),
            asyncio.create_task(session.tick()),
            asyncio.create_task(self._watch(state, session, beginning)),
            asyncio.create_task(self._stopping.wait()),
        ]
        received = self.received
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await _cancel(tasks)
            errors = [error for task in done if not task.cancelled() and (error := task.exception()) is not None]
            lost = next((error for error in errors if isinstance(error, BufferError)), None)
            if lost is not None:
                raise lost
            slow = next((error for error in errors if isinstance(error, SlowHostError)), None)
            await session.finish(stream, None if slow is None else slow.suspect_from_us)
        except (asyncio.CancelledError, BufferError):
            await _cancel(tasks)
            await session.abandon()
            raise
        finally:
            self._count(received + session.activity.received)
        for error in errors:
            raise error

    def _count(self, received: int) -> None:
        if received > self.received:
            self.received = received
            self.last_received_at = time.monotonic()

    async def _watch(self, state: HostState, session: Session, beginning: Beginning) -> None:
        """Raise HostError once the host is silent, or serves less than others would."""
        settings, progress, received = self._settings, self._flusher.progress, self.received
        newest_us = progress.newest_us(steady_now_us())
        first_us = progress.start_us if newest_us is None else earliest_us(newest_us, state.lag.us)
        watchdog = Watchdog(time.monotonic(), settings.host_silent_seconds, settings.host_slow_seconds, first_us)
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._count(received + session.activity.received)
            self._hosts.served(state, beginning.begun_us, session.last_us)
            now = time.monotonic()
            if (silence := watchdog.silence(now, session.activity)) is not None:
                raise HostError(HostFault.SILENT, f"{state.name} {silence}")
            if (window := watchdog.window(now, session.activity, session.last_us)) is not None:
                self._leave_if_slow(state, window, session.last_us)

    def _leave_if_slow(self, state: HostState, window: Window, last_us: int) -> None:
        """Raise SlowHostError where the host served less than is usual in `window`, and there is another one."""
        slow = self._hosts.usual.is_slow(state.url, window.events, window.seconds, window.event_seconds)
        if slow and self._hosts.others(state.url):
            from_us, lag_us = window.suspect_from_us, state.lag.us
            self._hosts.suspect = SuspectSpan(state.url, from_us - lag_us, last_us - lag_us)
            rate = window.events / window.seconds
            raise SlowHostError(f"{state.name} serves {rate:.0f} events/s, which is slow", from_us)


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
