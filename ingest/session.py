"""Reading one connection: frames into what is pending, what is pending into flushes."""

import asyncio
import logging
from collections.abc import Callable, Iterator

from websockets.exceptions import ConnectionClosed

from core.clock import now_us
from core.metrics import Metrics
from core.reasons import GapCause, RejectReason
from core.settings import Settings
from ingest.errors import HostError
from ingest.flusher import Flusher
from ingest.frames import Rejected, Router
from ingest.pending import Pending, reject_notice
from ingest.receive import FrameStream

log = logging.getLogger(__name__)

# This much in large frames is flushed whatever the counts say.
FLUSH_BYTES = 8 << 20


class Session:
    """One connection's frames on their way to Redis.

    One flush is under way at a time. The reader goes on meanwhile, and waits as soon as the next flush is due too: that is
    the back-pressure, which the socket passes on to the host.
    """

    def __init__(
        self, settings: Settings, flusher: Flusher, metrics: Metrics, host: str, stopping: asyncio.Event
    ) -> None:
        self._settings = settings
        self._flusher = flusher
        self._metrics = metrics
        self._host = host
        self._stopping = stopping
        self._pending = Pending()
        self._flush_task: asyncio.Task[None] | None = None
        self._router = Router(self._latest_us())
        self._largest_frame = settings.max_frame_mb * 1_000_000
        self._unplaced: Iterator[bytes] = iter(())
        self._on_first: Callable[[int], None] = lambda first_us: None
        self._placed = False
        self.received = 0

    def _latest_us(self) -> int:
        return now_us() + int(self._settings.future_seconds * 1e6)

    async def read(self, stream: FrameStream, on_first: Callable[[int], None]) -> None:
        """Read until the connection ends. `on_first` is called with the time of the first event.

        Raises HostError when the connection ends, FlushConflictError when Redis has moved on. What has been received by
        then is not lost: `finish` flushes it.
        """
        self._on_first = on_first
        flush_events = self._settings.flush_events
        try:
            while True:
                self._unplaced = iter(await stream.take())
                for frame in self._unplaced:
                    if self._place(frame) >= flush_events:
                        await self.start_flush()
        except ConnectionClosed as error:
            raise HostError(f"{self._host} closed the connection: {error}") from error

    def _place(self, frame: bytes) -> int:
        """Put one frame into its queue. Returns how many that now has, or enough for a flush if memory asks for one."""
        routed = self._router.route(frame)
        if type(routed) is not tuple or len(frame) > self._largest_frame:
            self._reject(frame, routed)
            return 0
        queue, time_us = routed
        if not self._placed:
            self._placed = True
            self._on_first(time_us)
        self.received += 1
        pending = self._pending
        count = pending.add(queue, frame, time_us)
        return count if pending.large_bytes < FLUSH_BYTES else self._settings.flush_events

    async def tick(self) -> None:
        """Flush every `flush_seconds`, until cancelled. Raises what a flush raised."""
        while True:
            await asyncio.sleep(self._settings.flush_seconds)
            self._router.latest_us = self._latest_us()
            await self.start_flush()

    async def start_flush(self) -> None:
        """Begin a flush of what is pending, after the one that is under way. Raises what that one raised."""
        await self.settle()
        if self._pending.is_empty:
            return
        pending, self._pending = self._pending, Pending()
        self._flush_task = asyncio.create_task(self._flusher.flush(pending, self._host, self._stopping))

    async def settle(self) -> None:
        """Wait for the flush that is under way, if any. Raises what it raised."""
        while self._flush_task is not None:
            task = self._flush_task
            await asyncio.shield(task)
            if self._flush_task is task:
                self._flush_task = None

    async def finish(self, stream: FrameStream) -> None:
        """Flush all that has been received from `stream`. Raises what a flush raises."""
        for frame in (*self._unplaced, *stream.take_now()):
            self._place(frame)
        await self.start_flush()
        await self.settle()

    def add_gap(self, from_us: int, to_us: int, cause: GapCause) -> None:
        """Note a span that the host did not serve; it goes to the lake with the next flush."""
        notice: dict[str, object] = {"from_us": from_us, "to_us": to_us, "host": self._host, "cause": cause.value}
        self._pending.add_notice("gaps", notice, from_us)
        self._metrics.counter("bluelake_ingest_gaps_total").inc()

    def _reject(self, frame: bytes, routed: tuple[str, int] | Rejected) -> None:
        reason = routed.reason if isinstance(routed, Rejected) else RejectReason.TOO_LARGE
        self._metrics.counter("bluelake_ingest_rejects_total").labels(reason.value).inc()
        received_us = now_us()
        self._pending.add_notice("rejects", reject_notice(frame, reason, received_us), received_us)
        self.received += 1
