"""Numbered flushes: turning what is pending into one write that Redis takes whole or not at all."""

import asyncio
import logging
import random
import time
import uuid
from dataclasses import replace

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
from ingest.clocks import Clocks
from ingest.pending import Pending
from ingest.start import first_start_us

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 10.0
# How often the buffer's depth is looked at.
ROOM_CHECK_SECONDS = 1.0
_STARTED_US = now_us()
_STARTED_MONOTONIC = time.monotonic()


class Flusher:
    """Keeps the number of the last flush and the cursors that go with it. Flushes of several hosts follow one another.

    `is_stuck`: a flush waits for Redis or for room.

    Redis is the authority: `resume` takes over where Redis, or if that is empty the lake, stands; `flush` raises
    FlushConflictError once Redis stands anywhere else.
    """

    def __init__(self, settings: Settings, buffer: Buffer, metrics: Metrics, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._lock = asyncio.Lock()
        self._settings = settings
        self._buffer = buffer
        self._metrics = metrics
        self._encoder = ChunkEncoder()
        self._high_water_bytes = settings.buffer_high_water_bytes
        self.continues = 0
        self.number = 0
        self.cursors: dict[str, Cursor] = {}
        self.clocks = Clocks()
        self._began = clock.now()
        self._start_us = 0
        self._reached: dict[str, Cursor] = {}
        self.is_stuck = False
        self._unsure = False
        self._room_checked = 0.0
        self.writer = uuid.uuid4().hex
        # Numbers alone do not tell one's own flush from that of another ingester which began anew meanwhile.
        self._continues_writer = ""

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
        self.continues, self._continues_writer = state.flush, state.writer
        # Numbers up to `offered` may already stand for other events in the lake, and no stream takes one that it has had.
        self.number = max(state.flush, watermark.offered, self._buffer.last_number()) + 1
        self._unsure = False
        source = "redis" if state.flush and state.flush >= watermark.committed else "lake"
        cursors = state.cursors if source == "redis" else watermark.cursors
        oldest_first = sorted(cursors.items(), key=lambda item: item[1].time_us)
        self.cursors = {without_credentials(host): cursor for host, cursor in oldest_first}
        if not self.cursors:
            source = "start"
        self._start_us = first_start_us(self._settings, self._began) if source == "start" else 0
        self._reached = dict(self.cursors)
        self.clocks = Clocks({host: c.lag_us for host, c in self.cursors.items() if c.lag_us is not None})
        self._metrics.counter("bluelake_ingest_resumes_total").labels(source).inc()
        return source

    def start_us(self) -> int:
        """Where the very first run starts, microseconds since 1970; the same as long as there is no cursor."""
        return self._start_us

    def newest_cursor_us(self) -> int | None:
        """The furthest that any host has been followed to, by the clock of the revs, microseconds since 1970, not beyond now.

        A host whose clock runs ahead, or that lags, must not make another one skip what it has not served yet.
        """
        newest = max(map(_made_us, self.cursors.values()), default=None)
        return None if newest is None else min(newest, self.clock_us())

    def horizon_us(self, host: str) -> int:
        """Up to when everything is in Redis, or noted as a gap, whoever served it, by the clock of `host`.

        Microseconds since 1970; while there is nothing yet, it is where the first run starts. A cursor without a lag counts as
        it is, as it does for where a host begins.
        """
        lag_us = self.clocks.lag_us(host)
        return max(
            (c.time_us if c.lag_us is None else _made_us(c) + lag_us for c in self._reached.values()),
            default=self._start_us,
        )

    def compares(self, host: str) -> bool:
        """Whether the clock of `host` can be compared with that of every host that has been followed."""
        others = [cursor for other, cursor in self._reached.items() if other != host]
        return not others or (self.clocks.knows(host) and all(cursor.lag_us is not None for cursor in others))

    @staticmethod
    def clock_us() -> int:
        """The time now, microseconds since 1970; it goes on when the machine's clock is set back."""
        return max(now_us(), _STARTED_US + int((time.monotonic() - _STARTED_MONOTONIC) * 1e6))

    async def flush(self, pending: Pending, host: str, repeats_from_us: int | None) -> bool:
        """Write `pending`, waiting as long as there is no room or no Redis.

        `repeats_from_us`: where the connection to `host` began, as long as it may repeat what was flushed before. That does not
        move the cursor back, or a host that ends every connection early would be asked for more each time. None once it has
        come past that: if its times step back then, so does its clock. Returns whether the cursor has moved.

        Raises FlushConflictError if Redis has moved on, BufferUnavailableError if it stays away while stopping.
        """
        async with self._lock:
            cursors, has_moved = dict(self.cursors), False
            if (cursor := pending.cursor()) is not None:
                lag_us = self.clocks.lag_us(host) if self.clocks.knows(host) else None
                cursor = replace(cursor, lag_us=lag_us)
                # Nothing has been followed beyond now, whatever the host's clock says.
                ahead_us = max(0, cursor.time_us - self.clock_us())
                moved = Cursor(cursor.time_us - ahead_us, cursor.seq, None if lag_us is None else lag_us - ahead_us)
                from_us, to_us = repeats_from_us, cursors.get(host, Cursor(0)).time_us
                has_moved = from_us is None or not from_us <= moved.time_us < to_us
                if has_moved:
                    cursors[host] = moved
            delay = FIRST_RETRY_SECONDS
            while True:
                try:
                    await self._wait_for_room()
                    await asyncio.to_thread(self._write, pending, host, cursors)
                    break
                except (BufferUnavailableError, BufferFullError) as error:
                    self._unsure = self._unsure or isinstance(error, BufferUnavailableError)
                    self._complain(error)
                    if self._stopping.is_set():
                        raise
                    await asyncio.sleep(delay * random.uniform(0.8, 1.2))
                    delay = min(delay * 2, LAST_RETRY_SECONDS)
            self._flushed(pending, cursors)
            if cursor is not None:
                self._reached[host] = max(self._reached.get(host, cursor), cursor, key=_made_us)
            return has_moved

    async def take_back(self, host: str, time_us: int) -> None:
        """`host` may have left events out from `time_us` on: it counts up to there only, in Redis with the next flush."""
        async with self._lock:
            for cursors in (self.cursors, self._reached):
                if host in cursors and cursors[host].time_us > time_us:
                    cursors[host] = Cursor(time_us, lag_us=cursors[host].lag_us)

    def _write(self, pending: Pending, host: str, cursors: dict[str, Cursor]) -> None:
        crash_point("before-flush")
        started = time.perf_counter()
        chunks = pending.chunks(self._encoder, self._settings.flush_events)
        try:
            self._buffer.append(
                self.continues, self.number, host, chunks, cursors, now_us(), self.writer, self._continues_writer
            )
            crash_point("after-flush-before-answer")
        except FlushConflictError:
            # After a time-out nobody knows whether the flush was written; its number and writer tell.
            if not self._unsure:
                raise
            state = self._buffer.state()
            if (state.flush, state.writer) != (self.number, self.writer):
                raise
        self._metrics.histogram("bluelake_ingest_flush_seconds").observe(time.perf_counter() - started)

    async def _wait_for_room(self) -> None:
        if time.monotonic() - self._room_checked < ROOM_CHECK_SECONDS:
            return
        paused = self._metrics.gauge("bluelake_ingest_paused")
        while not self._stopping.is_set():
            depth = await asyncio.to_thread(self._buffer.depth)
            held = sum(queue.size_bytes for queue in depth.values())
            if held < self._high_water_bytes:
                break
            paused.set(1)
            self.is_stuck = True
            log.warning("the buffer holds %d MB, its high-water mark: reading stops until it is drained", held // 10**6)
            report(self._settings, "ingest", ok=False, state="paused", message=f"the buffer is full ({held} bytes)")
            await asyncio.sleep(1)
        paused.set(0)
        self._room_checked = time.monotonic()

    def _complain(self, error: Exception) -> None:
        self.is_stuck = True
        self._metrics.gauge("bluelake_ingest_paused").set(isinstance(error, BufferFullError))
        log.error("%s; nothing is lost, trying again", error)
        report(self._settings, "ingest", ok=False, state="waiting", message=str(error))

    def _flushed(self, pending: Pending, cursors: dict[str, Cursor]) -> None:
        self.cursors = cursors
        self.is_stuck = False
        self._metrics.gauge("bluelake_ingest_paused").set(0)
        self.continues, self.number, self._continues_writer = self.number, self.number + 1, self.writer
        self._unsure = False
        for queue, frames in pending.frames.items():
            self._metrics.counter("bluelake_ingest_events_total").labels(queue).inc(len(frames))
        self._metrics.counter("bluelake_ingest_bytes_total").inc(pending.size_bytes)
        self._metrics.counter("bluelake_ingest_flushes_total").inc()
        self._metrics.gauge("bluelake_ingest_flush_number").set(self.continues)
        if (newest := self.newest_cursor_us()) is not None:
            self._metrics.gauge("bluelake_ingest_newest_event_seconds").set(newest / 1e6)


def _made_us(cursor: Cursor) -> int:
    """When what stands at `cursor` was made, by the clock of the revs as far as that is known; microseconds since 1970."""
    return cursor.time_us - (cursor.lag_us or 0)
