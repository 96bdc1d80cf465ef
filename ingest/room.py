"""Whether the buffer has room for another flush."""

import asyncio
import logging
import time

from bluelake.buffer.client import Buffer
from bluelake.core.metrics import Metrics
from bluelake.core.settings import Settings
from bluelake.core.status import report

log = logging.getLogger(__name__)

# How often the buffer's depth is looked at.
ROOM_CHECK_SECONDS = 1.0


class Room:
    """Holds flushes back while the buffer is past its high-water mark. `high_water_bytes`: that mark."""

    def __init__(self, settings: Settings, buffer: Buffer, metrics: Metrics, stopping: asyncio.Event) -> None:
        self._settings = settings
        self._buffer = buffer
        self._paused = metrics.gauge("bluelake_ingest_paused")
        self._stopping = stopping
        self._checked_at = 0.0
        self.high_water_bytes = settings.buffer_high_water_bytes
        self.is_full = False

    async def wait(self) -> None:
        """Return once there is room, or the ingester is told to stop. Raises BufferUnavailableError."""
        if time.monotonic() - self._checked_at < ROOM_CHECK_SECONDS:
            return
        while not self._stopping.is_set():
            depth = await asyncio.to_thread(self._buffer.depth)
            held = sum(queue.size_bytes for queue in depth.values())
            if held < self.high_water_bytes:
                break
            self._paused.set(1)
            self.is_full = True
            log.warning("the buffer holds %d MB, its high-water mark: reading stops until it is drained", held // 10**6)
            report(self._settings, "ingest", ok=False, state="paused", message=f"the buffer is full ({held} bytes)")
            await asyncio.sleep(1)
        self._paused.set(0)
        self.is_full = False
        self._checked_at = time.monotonic()
