"""The ingester: from host to host, from flush to flush, until it is told to stop."""

import asyncio
import contextlib
import logging
import random
import time

from buffer.client import Buffer
from buffer.errors import BufferUnavailableError, FlushConflictError
from core.clock import now_us, to_datetime
from core.metrics import Metrics
from core.reasons import GapCause
from core.settings import Settings
from core.status import report
from ingest.errors import HostError
from ingest.flusher import Flusher
from ingest.jetstream import host_name, open_stream
from ingest.session import Session

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 30.0
# Another ingester whose last flush is younger than this is alive; two would only undo each other's work.
STANDBY_SECONDS = 5.0
REPORT_SECONDS = 5.0


class Ingester:
    """Follows the network through one Jetstream host at a time."""

    def __init__(self, settings: Settings, buffer: Buffer, metrics: Metrics) -> None:
        self._settings = settings
        self._buffer = buffer
        self._metrics = metrics
        self._flusher = Flusher(settings, buffer, metrics)
        self._stopping = asyncio.Event()
        self._turn = 0
        self._last_frame_at = time.monotonic()
        self._resumed = False
        self._received = 0
        self._unflushed = False

    def stop(self) -> None:
        """Stop reading; everything received is flushed before `run` returns."""
        self._stopping.set()

    async def run(self, exit_when_idle_seconds: float | None = None) -> None:
        """Follow the network until `stop`, or until nothing has come for `exit_when_idle_seconds`."""
        idle = asyncio.create_task(self._watch_idleness(exit_when_idle_seconds))
        delay = FIRST_RETRY_SECONDS
        try:
            while not self._stopping.is_set():
                url = self._settings.jetstream_urls[self._turn % len(self._settings.jetstream_urls)]
                received = 0
                try:
                    await self._resume()
                    received = await self._follow(url)
                except FlushConflictError as error:
                    log.warning("%s; resuming from there", error)
                    self._resumed = False
                    await self._stand_by()
                except BufferUnavailableError as error:
                    log.error("%s; nothing is lost, trying again", error)
                    self._unflushed = self._stopping.is_set()
                    self._say(ok=False, state="waiting", message=str(error))
                    self._resumed = False
                except HostError as error:
                    received = self._received
                    self._turn += 1
                    self._metrics.counter("bluelake_ingest_connection_failures_total").labels(host_name(url)).inc()
                    log.warning("%s; next host in %.1f s", error, delay)
                    self._say(ok=False, state="disconnected", message=str(error))
                delay = FIRST_RETRY_SECONDS if received else min(delay * 2, LAST_RETRY_SECONDS)
                await self._pause(delay * random.uniform(0.5, 1.0))
        finally:
            idle.cancel()
        rest = (
            "what was received last was not flushed and will be fetched again" if self._unflushed else "all is flushed"
        )
        log.info("stopped at flush %d; %s", self._flusher.continues, rest)
        self._say(ok=True, state="stopped", message=f"stopped; {rest}")

    async def _resume(self) -> None:
        if self._resumed:
            return
        source = await asyncio.to_thread(self._flusher.resume)
        log.info("continuing from %s at flush %d", source, self._flusher.number)
        self._resumed = True

    async def _follow(self, url: str) -> int:
        """Read one host until it ends, the ingester is stopped or a flush conflicts. Returns the events received."""
        cursor_us, expected_us = self._cursor()
        host = host_name(url)
        self._received = 0
        async with open_stream(url, cursor_us) as stream:
            self._metrics.counter("bluelake_ingest_connections_total").labels(host).inc()
            self._metrics.gauge("bluelake_ingest_connected").set(1)
            log.info("connected to %s, from %s", host, to_datetime(cursor_us).isoformat())
            session = Session(self._settings, self._flusher, self._metrics, host, self._stopping)

            def check_gap(first_us: int) -> None:
                if expected_us is not None and first_us - expected_us > self._settings.gap_seconds * 1e6:
                    log.error("%s serves from %s on: a gap", host, to_datetime(first_us).isoformat())
                    session.add_gap(expected_us, first_us, GapCause.REPLAY_STARTS_LATE)

            read = asyncio.create_task(session.read(stream, check_gap))
            tasks = [
                read,
                asyncio.create_task(session.tick()),
                asyncio.create_task(self._watch(session, host)),
                asyncio.create_task(self._stopping.wait()),
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self._metrics.gauge("bluelake_ingest_connected").set(0)
                self._received = session.received
            errors = [task.exception() for task in done if not task.cancelled() and task.exception() is not None]
            conflict = next((error for error in errors if isinstance(error, FlushConflictError)), None)
            if conflict is None:
                await session.finish(stream)
            for error in (conflict, *errors):
                if error is not None:
                    raise error
        return session.received

    def _cursor(self) -> tuple[int, int | None]:
        """The cursor to ask for, and the time up to which everything is here already (None on the first run)."""
        newest = self._flusher.newest_cursor_us()
        if newest is None:
            return self._flusher.start_us(), None
        return newest - int(self._settings.rewind_seconds * 1e6), newest

    async def _watch(self, session: Session, host: str) -> None:
        """Tell how the ingester is, every few seconds."""
        seen = -1
        reported = 0.0
        while True:
            if session.received != seen:
                seen, self._last_frame_at = session.received, time.monotonic()
            if time.monotonic() - reported >= REPORT_SECONDS:
                reported = time.monotonic()
                self._say(ok=True, state="connected", message=f"{host}, {session.received} events in this connection")
            await asyncio.sleep(0.1)

    async def _watch_idleness(self, limit_seconds: float | None) -> None:
        while limit_seconds is not None:
            await asyncio.sleep(0.1)
            if time.monotonic() - self._last_frame_at >= limit_seconds:
                log.info("nothing came for %.1f s: stopping, as asked", limit_seconds)
                self.stop()
                return

    async def _stand_by(self) -> None:
        """Wait for as long as another ingester is feeding Redis."""
        told = False
        while not self._stopping.is_set():
            try:
                state = await asyncio.to_thread(self._buffer.state)
            except BufferUnavailableError:
                return
            if state.writer in ("", self._flusher.writer) or now_us() - state.flushed_us > STANDBY_SECONDS * 1e6:
                return
            if not told:
                log.warning("another ingester feeds this Redis: standing by until it stops")
                told = True
            self._say(ok=True, state="standby", message="another ingester feeds this Redis")
            await self._pause(random.uniform(0.5, 1.5))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _say(self, *, ok: bool, state: str, message: str) -> None:
        report(self._settings, "ingest", ok=ok, state=state, message=message)
