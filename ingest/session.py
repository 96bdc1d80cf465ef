"""Reading one connection: frames into what is pending, what is pending into flushes."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from statistics import median_low

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from bluelake.core.clock import now_us
from bluelake.core.metrics import Metrics
from bluelake.core.reasons import GapCause, HostFault, RejectReason
from bluelake.core.settings import Settings
from ingest.compression import Inflater
from ingest.continuity import Continuity, Hole
from ingest.errors import HostError
from ingest.flusher import Flusher
from ingest.frames import Notice, Rejected, Wire
from ingest.pending import FLUSH_BYTES, Pending, reject_notice
from ingest.receive import FrameStream
from ingest.skip import Skip

log = logging.getLogger(__name__)

# A time that is further ahead of those around it says nothing of where the stream has come to.
ODD_US = 1_000_000
# So many messages tell how far a host lags, or as many as come in that time.
OPENING_MESSAGES = 64
OPENING_SECONDS = 1.0
_TOO_LARGE = Rejected(RejectReason.TOO_LARGE)

# Tells the bounds of the gap that a hole is, or None where others fill it; raises HostError to leave the host for it.
Judge = Callable[[Hole], Awaitable[tuple[int, int] | None]]


class Session:
    """One connection's frames on their way to Redis.

    One flush is under way at a time. The reader goes on meanwhile, and waits as soon as the next flush is due too: that is
    the back-pressure, which the socket passes on to the host.

    `received`: events and rejects so far, `rejected`: rejects alone, `notices`: what the host said beside. `doubt`: the hole at
    which it waits, if any. `waiting_since`: since when the reader has waited for the host (monotonic seconds), None while it
    works. `blocked_seconds`: how long it has waited for flushes. `asked_us`: where it was asked to begin, microseconds since
    1970, and `begun_us`: from where on it has everything, later if it was asked by number. `first_by_us`: the latest time that
    its first event may have, None for any. `doubtful_from_us`: from when on the host may have left events out, if it may.
    """

    def __init__(
        self,
        settings: Settings,
        flusher: Flusher,
        metrics: Metrics,
        host: str,
        wire: Wire,
        continuity: Continuity,
        judge: Judge,
        inflater: Inflater | None = None,
        skip: Skip | None = None,
    ) -> None:
        self._settings = settings
        self._flusher = flusher
        self._metrics = metrics
        self._host = host
        self._wire = wire
        self._inflater = inflater
        self._pending = Pending()
        self._flush_task: asyncio.Task[None] | None = None
        self._may_repeat = True
        self._largest_frame = settings.max_frame_bytes
        self._unplaced: Iterator[bytes] = iter(())
        self._continuity = continuity
        self._judge = judge
        self._passing = asyncio.Lock()
        self._is_broken = False
        self._left: HostError | None = None
        self._skip = skip
        self.received = self.rejected = self.notices = 0
        self.doubt: Hole | None = None
        self.waiting_since: float | None = None
        self.blocked_seconds = 0.0
        self.asked_us = 0
        self.begun_us = 0
        self.first_by_us: int | None = None
        self.doubtful_from_us: int | None = None
        self._move_latest()

    @property
    def last_us(self) -> int:
        """The time of the last event that was placed, microseconds since 1970; 0 before the first."""
        return self._continuity.last_us

    @property
    def settled_us(self) -> int:
        """Up to where it has been read, whatever one odd time says, microseconds since 1970; 0 before the first event."""
        times = self._pending.last_times()
        return max((time_us for time_us in times if time_us - median_low(times) <= ODD_US), default=0)

    @property
    def is_past_skip(self) -> bool:
        """Whether the stream has gone on behind the frame that it was to skip."""
        return self._skip is not None and self._skip.passed_us > 0

    def _move_latest(self) -> None:
        self._wire.latest_us = self._flusher.clock_us() + self._settings.future_us

    async def read(self, stream: FrameStream) -> None:
        """Read until the connection ends, or is past the frame that it was to skip.

        Raises HostError when the connection ends or has to, FlushConflictError when Redis has moved on. What has been
        received by then is not lost: `finish` flushes it.
        """
        is_open = False
        try:
            while not self.is_past_skip:
                self.waiting_since = time.monotonic()
                if is_open:
                    self._unplaced = iter(await stream.take())
                else:
                    await self._open(stream)
                    is_open = True
                self.waiting_since = None
                self._move_latest()
                while not self.is_past_skip and self._place():
                    if self._continuity.hole is not None:
                        await self._pass(self._continuity.hole)
                    else:
                        await self._start_due_flush()
        except ConnectionClosed as error:
            too_large = error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG
            fault = HostFault.FRAME_TOO_LARGE if too_large else HostFault.CLOSED
            raise HostError(fault, f"{self._host} closed the connection: {error}") from error

    async def _open(self, stream: FrameStream) -> None:
        """Take the first messages, and learn from them how far the host lags now: it decides where its first event stands."""
        messages = await stream.take()
        try:
            with contextlib.suppress(TimeoutError, ConnectionClosed):
                async with asyncio.timeout(OPENING_SECONDS):
                    while self._flusher.cursors and self._is_opening(messages):
                        self.waiting_since = time.monotonic()
                        messages += await stream.take()
        finally:
            self._flusher.clocks.renew(self._host)
            if self._flusher.cursors:
                self._measure(messages[:OPENING_MESSAGES])
            self._unplaced = iter(messages)

    def _is_opening(self, messages: Sequence[bytes]) -> bool:
        return len(messages) < OPENING_MESSAGES and sum(map(len, messages)) < FLUSH_BYTES

    def _measure(self, messages: Sequence[bytes]) -> None:
        frames, times, size_bytes = [], [], 0
        for message in messages:
            if size_bytes >= FLUSH_BYTES:
                break
            try:
                frame = message if self._inflater is None else self._inflater.inflate(message)
                routed = self._wire.route(frame) if len(frame) <= self._largest_frame else _TOO_LARGE
            except Exception:
                # Whoever places it meets it again.
                break
            size_bytes += len(frame)
            if isinstance(routed, tuple):
                frames.append(routed[1])
                times.append(routed[2])
        self._flusher.clocks.note(self._host, frames, times)

    def _place(self) -> bool:
        """Put frames into their queues. Returns whether it stopped for a flush or a hole, before all were placed."""
        route, inflater, largest = self._wire.route, self._inflater, self._largest_frame
        continuity, add, flush_events = self._continuity, self._pending.add, self._settings.flush_events
        events, time_us, ahead_us = 0, continuity.last_us, continuity.ahead_us()
        try:
            for message in self._unplaced:
                frame = message if inflater is None else inflater.inflate(message)
                routed = route(frame) if len(frame) <= largest else _TOO_LARGE
                if not isinstance(routed, tuple):
                    if self._set_aside(frame, routed) >= flush_events:
                        return True
                    continue
                if routed[2] > ahead_us:
                    self._check_first(routed[2])
                    continuity.note(events, time_us)
                    self.received += events
                    events = 0
                    self._flusher.clocks.note(self._host, *self._pending.busiest())
                    if not continuity.admit(routed):
                        ahead_us = -1
                        if continuity.hole is not None:
                            return True
                        continue
                    self._release()
                    ahead_us = routed[2] + continuity.gap_us
                queue, frame, time_us, seq = routed
                events += 1
                if add(queue, frame, time_us, seq) >= flush_events:
                    return True
            return False
        except Exception:
            self._is_broken = True
            raise
        finally:
            self.received += events
            continuity.note(events, time_us)

    def _check_first(self, time_us: int) -> None:
        """Raise HostError where the first event, asked for by its number, is another one: the host counts anew."""
        latest_us, self.first_by_us = self.first_by_us, None
        if latest_us is not None and time_us > latest_us:
            raise HostError(HostFault.RENUMBERED, f"{self._host} has another event under the number of the last one")

    def _release(self) -> None:
        """Place the events that were held back."""
        for queue, frame, time_us, seq in self._continuity.release():
            self._pending.add(queue, frame, time_us, seq)
            self.received += 1
        self.doubt = None

    async def _pass(self, hole: Hole) -> None:
        """Have a hole judged, note the gap if it is one, and go on behind it; unless the reader finds that it is none."""
        async with self._passing:
            if self._left is not None:
                # It has been judged meanwhile: this connection is over, and the hole must not be crossed on it.
                raise self._left
            if self._continuity.hole is not hole:
                return
            # What came before it counts for others' holes too.
            await self.start_flush()
            await self.settle()
            if self._continuity.hole is not hole:
                return
            self.doubt = hole
            try:
                bounds = await self._judge(hole)
            except HostError as error:
                self._left = error
                raise
            if self.doubt is not hole:
                return
            if bounds is not None:
                self.add_gap(*bounds, hole.cause)
            self._continuity.cross()
            self._release()

    async def tick(self) -> None:
        """Flush every `flush_seconds`, until cancelled or past the frame that is skipped. Raises what a flush raised."""
        while not self.is_past_skip:
            await asyncio.sleep(self._settings.flush_seconds)
            self._move_latest()
            await self.start_flush()
            self._continuity.confirm()
            if self._continuity.hole is not None:
                await self._pass(self._continuity.hole)

    async def _start_due_flush(self) -> None:
        started = time.monotonic()
        await self.start_flush()
        self.blocked_seconds += time.monotonic() - started
        self._move_latest()

    async def start_flush(self) -> None:
        """Begin a flush of what is pending, after the one that is under way. Raises what that one raised."""
        await self.settle()
        if self._pending.is_empty:
            return
        self._note_skipped()
        pending, self._pending = self._pending, Pending(self._pending)
        self._flusher.clocks.note(self._host, *pending.busiest())
        self._flush_task = asyncio.create_task(self._flush(pending))

    async def _flush(self, pending: Pending) -> None:
        repeats_from_us = self.asked_us if self._may_repeat else None
        if await self._flusher.flush(pending, self._host, repeats_from_us):
            self._may_repeat = False

    def _note_skipped(self) -> None:
        """Note the gap once the stream has gone on. Nothing is placed then: the host leaves out other large frames too."""
        skip, settled_us = self._skip, self.settled_us
        if skip is None or skip.passed_us or settled_us <= skip.last_us:
            return
        margin_us = self._settings.rewind_us
        to_us = max(self.last_us, skip.position_us) + margin_us
        self.add_gap(skip.from_us - margin_us, to_us, GapCause.FRAME_TOO_LARGE)
        skip.passed_us = settled_us

    async def settle(self) -> None:
        """Wait for the flush that is under way, if any. Raises what it raised."""
        while self._flush_task is not None:
            task = self._flush_task
            await asyncio.shield(task)
            if self._flush_task is task:
                self._flush_task = None

    async def finish(self, stream: FrameStream) -> None:
        """Flush all that has been received from `stream`, up to a hole or to what cannot be read. Raises what a flush raises."""
        with contextlib.suppress(HostError):
            for frames in (self._unplaced, stream.take_now()):
                self._unplaced = iter(frames)
                while not (self._is_broken or self.is_past_skip) and self._continuity.hole is None and self._place():
                    pass
        await self.settle()
        if self.doubtful_from_us is not None:
            self._pending.moves_cursor = False
            await self._flusher.take_back(self._host, self.doubtful_from_us)
        await self.start_flush()
        await self.settle()

    async def abandon(self) -> None:
        """Let go of what is pending: Redis has moved on, and it will be fetched again."""
        if self._flush_task is not None:
            await asyncio.gather(self._flush_task, return_exceptions=True)
            self._flush_task = None

    def add_gap(self, from_us: int, to_us: int, cause: GapCause) -> None:
        """Note a span that no host served; it goes to the lake with the next flush."""
        notice: dict[str, object] = {"from_us": from_us, "to_us": to_us, "host": self._host, "cause": cause.value}
        self._pending.add_notice("gaps", notice, from_us)
        self._metrics.counter("bluelake_ingest_gaps_total").labels(cause.value).inc()

    def _set_aside(self, frame: bytes, routed: Rejected | Notice) -> int:
        """What is no event: keep it, or heed it. Returns as `Pending.add`. Raises HostError for a host's own error."""
        if isinstance(routed, Notice):
            log.warning("%s says %s: %s", self._host, routed.name, routed.message)
            if routed.is_error:
                raise HostError(HostFault.ERROR_FRAME, f"{self._host} ended the stream: {routed.name} {routed.message}")
            if routed.name == "OutdatedCursor":
                self._continuity.is_outdated = True
            self.notices += 1
            return 0
        self._metrics.counter("bluelake_ingest_rejects_total").labels(routed.reason.value).inc()
        received_us = now_us()
        self.received += 1
        self.rejected += 1
        return self._pending.add_notice("rejects", reject_notice(frame, routed.reason, received_us), received_us)
