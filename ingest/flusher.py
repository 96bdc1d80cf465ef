"""Numbered flushes: each turns pending frames into one write that Redis takes whole or not at all."""

import asyncio
import logging
import random
import time
import uuid
from dataclasses import dataclass, replace

from bluelake.buffer.chunks import ChunkEncoder
from bluelake.buffer.client import Buffer
from bluelake.buffer.errors import BufferFullError, BufferUnavailableError, FlushConflictError
from bluelake.core import clock
from bluelake.core.clock import now_us
from bluelake.core.crash import crash_point
from bluelake.core.errors import CorruptStateError
from bluelake.core.metrics import Metrics
from bluelake.core.settings import Settings
from bluelake.core.status import report
from bluelake.core.urls import without_credentials
from bluelake.core.watermark import Cursor, read_watermark
from ingest.host import HostState
from ingest.pending import Pending
from ingest.progress import Progress
from ingest.room import Room
from ingest.start import first_start_us
from ingest.steady_clock import steady_now_us

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 10.0


@dataclass(frozen=True)
class FlushNumber:
    """The number of the next flush, and which flush it continues.

    `continues_writer`: who wrote that one. A number alone does not tell one's own flush from that of another ingester.
    """

    number: int = 0
    continues: int = 0
    continues_writer: str = ""

    def written(self, writer: str) -> "FlushNumber":
        """The next one, once `writer` has written this one."""
        return FlushNumber(self.number + 1, self.number, writer)


class Flusher:
    """Writes flushes one after the other, those of several hosts too.

    `progress`: the cursors that go with the last flush. `next`: the number of the next flush. `writer`: this ingester's mark in
    Redis. `is_waiting`: a flush waits for Redis.

    Redis is the authority. `resume` continues where Redis stands, or the lake if Redis is empty. `flush` raises
    FlushConflictError once Redis stands anywhere else.
    """

    def __init__(self, settings: Settings, buffer: Buffer, metrics: Metrics, stopping: asyncio.Event) -> None:
        self._settings = settings
        self._buffer = buffer
        self._metrics = metrics
        self._stopping = stopping
        self._lock = asyncio.Lock()
        self._encoder = ChunkEncoder()
        self.room = Room(settings, buffer, metrics, stopping)
        self.progress = Progress()
        self.next = FlushNumber()
        self.writer = uuid.uuid4().hex
        self.is_waiting = False
        self._began = clock.now()
        # An answer of Redis was lost, so the flush may be written.
        self._may_be_written = False

    @property
    def is_stuck(self) -> bool:
        """Whether a flush waits for Redis or for room."""
        return self.is_waiting or self.room.is_full

    def resume(self) -> str:
        """Continue from Redis, from the lake, or from the start, whichever is the furthest that is safe.

        Returns which of `redis`, `lake`, `start` it was. Raises BufferUnavailableError, CorruptStateError, OSError.
        """
        crash_point("before-resume")
        state = self._buffer.state()
        if not self._settings.watermark_path.exists() and (self._settings.lake_dir / "batches").exists():
            raise CorruptStateError(
                f"{self._settings.watermark_path} is missing and there is a lake: flush numbers could be used twice; run "
                "`bluelake drain`, which rebuilds it from the lake"
            )
        watermark = read_watermark(self._settings.watermark_path)
        # Numbers up to `offered` may stand for other events in the lake, and no stream takes a number twice.
        number = max(state.flush, watermark.offered, self._buffer.last_number()) + 1
        self.next = FlushNumber(number, state.flush, state.writer)
        self._may_be_written = False
        source = "redis" if state.flush and state.flush >= watermark.committed else "lake"
        stored = state.cursors if source == "redis" else watermark.cursors
        oldest_first = sorted(stored.items(), key=lambda item: item[1].time_us)
        cursors = {without_credentials(host): cursor for host, cursor in oldest_first}
        if not cursors:
            source = "start"
        self.progress = Progress(cursors, 0 if cursors else first_start_us(self._settings, self._began))
        self._metrics.counter("bluelake_ingest_resumes_total").labels(source).inc()
        return source

    async def flush(self, pending: Pending, host: HostState, repeats_from_us: int | None, asked_us: int) -> bool:
        """Write `pending`, which `host` served. Waits as long as there is no room or no Redis.

        `repeats_from_us`: where the connection began, as long as it may repeat what was flushed before. A repeat does not move
        the cursor back. Otherwise a host that ends each connection early would be asked for more each time. None once the
        connection is past that: if its times step back then, so does the host's clock. No cursor goes back behind `asked_us`,
        where the connection was asked to begin. Returns whether the cursor has moved.

        Raises FlushConflictError if Redis has moved on, BufferUnavailableError if it stays away while stopping.
        """
        async with self._lock:
            cursor = pending.cursor()
            if cursor is not None:
                cursor = replace(cursor, lag_us=host.lag.known_us)
            cursors, has_moved = self.progress.moved(host.name, cursor, repeats_from_us, steady_now_us(), asked_us)
            await self._write_until_taken(pending, host.name, cursors)
            self._written(pending)
            self.progress.store(cursors, host.name, cursor)
            self._show_newest()
            return has_moved

    async def _write_until_taken(self, pending: Pending, host: str, cursors: dict[str, Cursor]) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                await self.room.wait()
                await asyncio.to_thread(self._write, pending, host, cursors)
                return
            except (BufferUnavailableError, BufferFullError) as error:
                self._may_be_written = self._may_be_written or isinstance(error, BufferUnavailableError)
                self._report_waiting(error)
                if self._stopping.is_set():
                    raise
                await asyncio.sleep(delay * random.uniform(0.8, 1.2))
                delay = min(delay * 2, LAST_RETRY_SECONDS)

    async def take_back(self, host: str, time_us: int) -> None:
        """Host `host` may have left events out from `time_us` on. It counts only up to there, in Redis with the next flush."""
        async with self._lock:
            self.progress.take_back(host, time_us)

    def _write(self, pending: Pending, host: str, cursors: dict[str, Cursor]) -> None:
        crash_point("before-flush")
        started = time.perf_counter()
        chunks = pending.chunks(self._encoder, self._settings.flush_events)
        number = self.next
        try:
            self._buffer.append(
                number.continues, number.number, host, chunks, cursors, now_us(), self.writer, number.continues_writer
            )
            crash_point("after-flush-before-answer")
        except FlushConflictError:
            # After a time-out nobody knows whether the flush was written; its number and writer tell.
            if not self._may_be_written:
                raise
            state = self._buffer.state()
            if (state.flush, state.writer) != (number.number, self.writer):
                raise
        self._metrics.histogram("bluelake_ingest_flush_seconds").observe(time.perf_counter() - started)

    def _report_waiting(self, error: Exception) -> None:
        self.is_waiting = True
        self._metrics.gauge("bluelake_ingest_paused").set(isinstance(error, BufferFullError))
        log.error("%s; nothing is lost, trying again", error)
        report(self._settings, "ingest", ok=False, state="waiting", message=str(error))

    def _written(self, pending: Pending) -> None:
        self.is_waiting = False
        self._metrics.gauge("bluelake_ingest_paused").set(0)
        self.next = self.next.written(self.writer)
        self._may_be_written = False
        for queue, frames in pending.frames.items():
            self._metrics.counter("bluelake_ingest_events_total").labels(queue).inc(len(frames))
        self._metrics.counter("bluelake_ingest_bytes_total").inc(pending.size_bytes)
        self._metrics.counter("bluelake_ingest_flushes_total").inc()
        self._metrics.gauge("bluelake_ingest_flush_number").set(self.next.continues)

    def _show_newest(self) -> None:
        if (newest := self.progress.newest_us(steady_now_us())) is not None:
            self._metrics.gauge("bluelake_ingest_newest_event_seconds").set(newest / 1e6)
