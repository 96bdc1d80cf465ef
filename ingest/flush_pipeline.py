"""From pending frames to flushes, one under way at a time."""

import asyncio

from bluelake.core.metrics import Metrics
from bluelake.core.reasons import GapCause
from ingest.flusher import Flusher
from ingest.host import HostState
from ingest.pending import Pending


class FlushPipeline:
    """One connection's pending frames and the flush that is under way.

    The reader fills the next flush meanwhile. It waits once that one is due too. This is the back-pressure, which the socket
    passes on to the host.

    `pending`: what the next flush holds. `asked_us`: where the connection was asked to begin, microseconds since 1970.
    """

    def __init__(self, flusher: Flusher, metrics: Metrics, host: HostState, asked_us: int) -> None:
        self._flusher = flusher
        self._metrics = metrics
        self._host = host
        self._asked_us = asked_us
        self._may_repeat = True
        self._task: asyncio.Task[None] | None = None
        self.pending = Pending()

    def start(self) -> None:
        """Begin a flush of what is pending. The one before must be over."""
        pending, self.pending = self.pending, Pending(self.pending)
        self._host.observe_lag(*pending.busiest())
        self._task = asyncio.create_task(self._flush(pending))

    async def _flush(self, pending: Pending) -> None:
        repeats_from_us = self._asked_us if self._may_repeat else None
        if await self._flusher.flush(pending, self._host, repeats_from_us, self._asked_us):
            self._may_repeat = False

    async def wait(self) -> None:
        """Wait for the flush that is under way, if any. Raises the error of that flush."""
        while self._task is not None:
            task = self._task
            await asyncio.shield(task)
            if self._task is task:
                self._task = None

    async def abandon(self) -> None:
        """Wait for the flush that is under way, whatever comes of it. The rest is not flushed: it will be served again."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def take_back(self, time_us: int) -> None:
        """The host may have left events out from `time_us` on: neither what is pending nor its cursor goes beyond that."""
        self.pending.moves_cursor = False
        await self._flusher.take_back(self._host.name, time_us)

    def add_gap(self, from_us: int, to_us: int, cause: GapCause) -> None:
        """Note a span that no host served; it goes to the lake with the next flush."""
        notice: dict[str, object] = {"from_us": from_us, "to_us": to_us, "host": self._host.name, "cause": cause.value}
        self.pending.add_notice("gaps", notice, from_us)
        self._metrics.counter("bluelake_ingest_gaps_total").labels(cause.value).inc()
