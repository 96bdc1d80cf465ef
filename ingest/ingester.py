"""The ingester: from flush to flush, over one or several hosts at once, until it is told to stop."""

import asyncio
import contextlib
import logging
import random
import time

from bluelake.buffer.client import Buffer
from bluelake.buffer.errors import BufferFullError, BufferUnavailableError, FlushConflictError
from bluelake.core.clock import now_us
from bluelake.core.metrics import Metrics
from bluelake.core.settings import Settings
from bluelake.core.status import report
from ingest.flusher import Flusher
from ingest.follower import Follower
from ingest.gaps import Gaps
from ingest.hosts import Hosts

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 10.0
# Another ingester whose last flush is younger than this is alive. Two would only undo each other's work.
STANDBY_SECONDS = 5.0
REPORT_SECONDS = 5.0
CHECK_SECONDS = 0.1


class Ingester:
    """Follows the network through as many hosts at a time as BLUELAKE_HOSTS_COMPARED says."""

    def __init__(self, settings: Settings, buffer: Buffer, metrics: Metrics) -> None:
        self._settings = settings
        self._buffer = buffer
        self._stopping = asyncio.Event()
        self._flusher = Flusher(settings, buffer, metrics, self._stopping)
        self._hosts = Hosts(settings)
        self._gaps = Gaps(len(self._hosts.states), settings.rewind_us, settings.failover_rewind_us)
        self._followers = [
            Follower(settings, self._flusher, metrics, self._hosts, self._gaps, self._stopping)
            for _ in range(self._hosts.compared)
        ]
        self._started_at = time.monotonic()
        self._unflushed = False
        self._is_following = False
        self._evicting = ""

    def stop(self) -> None:
        """Stop reading. `run` flushes everything received, then returns."""
        self._stopping.set()

    async def run(self, exit_when_idle_seconds: float | None = None) -> None:
        """Follow the network until `stop`, or until nothing has come for `exit_when_idle_seconds`."""
        beside = [
            asyncio.create_task(self._watch_idleness(exit_when_idle_seconds)),
            asyncio.create_task(self._keep_reporting()),
        ]
        delay = FIRST_RETRY_SECONDS
        try:
            while not self._stopping.is_set():
                try:
                    await self._resume()
                    delay = FIRST_RETRY_SECONDS
                    await self._follow_all()
                except FlushConflictError as error:
                    log.warning("%s; resuming from there", error)
                    await self._stand_by()
                except (BufferUnavailableError, BufferFullError, OSError) as error:
                    # OSError: a disk is full where the first start is kept.
                    log.error("%s; nothing is lost, trying again", error)
                    self._unflushed = self._stopping.is_set()
                    self._report_status(ok=False, state="waiting", message=str(error))
                await self._pause(delay * random.uniform(0.5, 1.0))
                delay = min(delay * 2, LAST_RETRY_SECONDS)
        finally:
            for task in beside:
                task.cancel()
        rest = (
            "what was received last was not flushed and will be fetched again" if self._unflushed else "all is flushed"
        )
        log.info("stopped at flush %d; %s", self._flusher.next.continues, rest)
        self._report_status(ok=True, state="stopped", message=f"stopped; {rest}")

    async def _resume(self) -> None:
        source = await asyncio.to_thread(self._flusher.resume)
        self._hosts.resume(self._flusher.progress.cursors)
        self._gaps.reset()
        await self._look_for_eviction()
        if self._evicting:
            log.warning(self._evicting)
        log.info("continuing from %s at flush %d", source, self._flusher.next.number)

    async def _look_for_eviction(self) -> None:
        policy = ""
        # A hosted Redis may refuse to tell.
        with contextlib.suppress(BufferUnavailableError):
            policy = await asyncio.to_thread(self._buffer.evicting_policy)
        self._evicting = policy and (
            f"Redis has maxmemory-policy {policy} and may throw away what is not drained yet: set it to noeviction"
        )

    async def _follow_all(self) -> None:
        """Let all followers follow, until told to stop. An error of one ends all of them, and is raised."""
        tasks = [asyncio.create_task(follower.run()) for follower in self._followers]
        self._is_following = True
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            self._is_following = False
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [result for result in results if isinstance(result, Exception)]
        for error in sorted(errors, key=lambda error: not isinstance(error, FlushConflictError)):
            raise error

    async def _keep_reporting(self) -> None:
        """Report which hosts are being read whenever that changes, and every few seconds."""
        reported: list[str] = []
        reported_at = 0.0
        while True:
            hosts = [follower.host for follower in self._followers if follower.host]
            due = hosts != reported or time.monotonic() - reported_at >= REPORT_SECONDS
            if due and self._is_following and not self._flusher.is_stuck:
                reported, reported_at = hosts, time.monotonic()
                if self._evicting:
                    await self._look_for_eviction()
                received = sum(follower.received for follower in self._followers)
                troubles = [follower.trouble for follower in self._followers if not follower.host]
                evicting = [self._evicting] if self._evicting else []
                message = "; ".join([*evicting, *hosts, *troubles, f"{received} events since the start"])
                ok = bool(hosts) and not self._evicting
                self._report_status(ok=ok, state="connected" if hosts else "disconnected", message=message)
            await asyncio.sleep(CHECK_SECONDS)

    async def _watch_idleness(self, limit_seconds: float | None) -> None:
        while limit_seconds is not None:
            await asyncio.sleep(CHECK_SECONDS)
            last = max(self._started_at, *(follower.last_received_at for follower in self._followers))
            if time.monotonic() - last >= limit_seconds:
                log.info("nothing came for %.1f s: stopping, as asked", limit_seconds)
                self.stop()
                return

    async def _stand_by(self) -> None:
        """Wait for as long as another ingester is feeding Redis."""
        is_logged = False
        while not self._stopping.is_set():
            try:
                state = await asyncio.to_thread(self._buffer.state)
            except BufferUnavailableError:
                return
            if state.writer in ("", self._flusher.writer) or abs(now_us() - state.flushed_us) > STANDBY_SECONDS * 1e6:
                return
            if not is_logged:
                log.warning("another ingester feeds this Redis: standing by until it stops")
                is_logged = True
            self._report_status(ok=True, state="standby", message="another ingester feeds this Redis")
            await self._pause(random.uniform(0.5, 1.5))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _report_status(self, *, ok: bool, state: str, message: str) -> None:
        report(self._settings, "ingest", ok=ok, state=state, message=message)
