"""Reading one connection: its messages into pending frames, pending frames into flushes, holes to those who judge them."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from bluelake.core.metrics import Metrics
from bluelake.core.reasons import GapCause, HostFault
from bluelake.core.settings import Settings
from ingest.activity import Activity
from ingest.clocks import furthest_us
from ingest.continuity import Continuity, Hole
from ingest.decoder import Decoder
from ingest.errors import HostError
from ingest.flush_pipeline import FlushPipeline
from ingest.flusher import Flusher
from ingest.gaps import Gap
from ingest.host import HostState
from ingest.intake import Intake
from ingest.pending import FLUSH_BYTES
from ingest.receive import FrameStream
from ingest.skip import Skip

# This many messages tell a host's lag, or as many as come in this time.
OPENING_MESSAGES = 64
OPENING_SECONDS = 1.0

# Tells the gap that a hole is, or None where others fill it. Raises HostError to leave the host for it.
Judge = Callable[[Hole], Awaitable[Gap | None]]


@dataclass(frozen=True)
class Beginning:
    """Where a connection begins, microseconds since 1970.

    `asked_us`: where it was asked to begin. `begun_us`: from here on it has everything; later than `asked_us` if it was asked by
    number. `first_by_us`: the latest time that its first event may have, None for any.
    """

    asked_us: int
    begun_us: int
    first_by_us: int | None = None

    @property
    def is_by_number(self) -> bool:
        """Whether it was asked by the host's own number."""
        return self.first_by_us is not None


class Session:
    """One connection's frames on their way to Redis. `activity`: what it has done so far."""

    def __init__(
        self,
        settings: Settings,
        flusher: Flusher,
        metrics: Metrics,
        host: HostState,
        decoder: Decoder,
        continuity: Continuity,
        judge: Judge,
        beginning: Beginning,
    ) -> None:
        self._settings = settings
        self._host = host
        self._decoder = decoder
        self._judge = judge
        self._progress = flusher.progress
        self._pipeline = FlushPipeline(flusher, metrics, host, beginning.asked_us)
        self._intake = Intake(
            host, decoder, continuity, self._pipeline, metrics, settings.flush_events, beginning.first_by_us
        )
        self._skip: Skip | None = host.current_skip
        self._crossing = asyncio.Lock()
        self._left_for_hole: HostError | None = None

    @property
    def activity(self) -> Activity:
        """What the connection has done so far."""
        return self._intake.activity

    @property
    def last_us(self) -> int:
        """The time of the last event that was placed, microseconds since 1970; 0 before the first."""
        return self._intake.continuity.last_us

    @property
    def furthest_us(self) -> int:
        """Up to where it was read, whatever one odd time says, microseconds since 1970; 0 before the first event."""
        return furthest_us(self._pipeline.pending.last_times())

    @property
    def is_past_skip(self) -> bool:
        """Whether the stream has gone on behind the frame that it skips."""
        return self._skip is not None and self._skip.passed_us > 0

    async def read(self, stream: FrameStream) -> None:
        """Read until the connection ends, or is past the frame that it skips.

        Raises HostError when the connection ends or has to, FlushConflictError when Redis has moved on. `finish` flushes what
        was received by then.
        """
        is_open = False
        try:
            while not self.is_past_skip:
                self.activity.waits(time.monotonic())
                if is_open:
                    self._intake.feed(await stream.take())
                else:
                    await self._open(stream)
                    is_open = True
                self.activity.works()
                self._decoder.move_latest()
                await self._place_all()
        except ConnectionClosed as error:
            too_large = error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG
            fault = HostFault.FRAME_TOO_LARGE if too_large else HostFault.CLOSED
            raise HostError(fault, f"{self._host.name} closed the connection: {error}") from error

    async def _open(self, stream: FrameStream) -> None:
        """Take the first messages and learn the host's lag from them. It decides where the first event stands."""
        messages = await stream.take()
        try:
            with contextlib.suppress(TimeoutError, ConnectionClosed):
                async with asyncio.timeout(OPENING_SECONDS):
                    while self._progress.cursors and _is_opening(messages):
                        self.activity.waits(time.monotonic())
                        messages += await stream.take()
        finally:
            self._host.begin_lag()
            if self._progress.cursors:
                self._host.observe_lag(*self._decoder.events(messages[:OPENING_MESSAGES], FLUSH_BYTES))
            self._intake.feed(messages)

    async def _place_all(self) -> None:
        """Place the messages that were fed, with the flushes and the holes that come up."""
        while not self.is_past_skip and self._intake.place():
            hole = self._intake.continuity.hole
            if hole is not None:
                await self._pass(hole)
                continue
            started = time.monotonic()
            await self._start_flush()
            self.activity.was_blocked(time.monotonic() - started)
            self._decoder.move_latest()

    async def tick(self) -> None:
        """Flush every `flush_seconds`, until cancelled or past the frame that is skipped. Raises the error of a flush."""
        continuity = self._intake.continuity
        while not self.is_past_skip:
            await asyncio.sleep(self._settings.flush_seconds)
            self._decoder.move_latest()
            continuity.confirm()
            self._intake.place_overdue()
            await self._start_flush()
            if continuity.hole is not None:
                await self._pass(continuity.hole)

    async def _pass(self, hole: Hole) -> None:
        """Have a hole judged, note the gap if it is one, and go on behind it; unless the reader finds that it is none."""
        async with self._crossing:
            if self._left_for_hole is not None:
                # It has been judged meanwhile. This connection is over, and must not cross the hole.
                raise self._left_for_hole
            if self._intake.continuity.hole is not hole:
                return
            # The events before it count for others' holes too.
            await self._start_flush()
            await self._pipeline.wait()
            if self._intake.continuity.hole is not hole:
                return
            self._host.came_to(hole)
            try:
                gap = await self._judge(hole)
            except HostError as error:
                self._left_for_hole = error
                raise
            if self._host.open_hole is not hole:
                return
            if gap is not None:
                self._pipeline.add_gap(gap.from_us, gap.to_us, gap.cause)
            self._intake.cross()

    async def _start_flush(self) -> None:
        """Begin a flush of what is pending, after the one that is under way. Raises the error of that one."""
        await self._pipeline.wait()
        if not self._pipeline.pending.is_empty:
            self._note_skipped()
            self._pipeline.start()

    def _note_skipped(self) -> None:
        """Note the gap once the stream has gone on. Nothing is placed from then on: other large frames are left out too."""
        skip, reached_us = self._skip, self.furthest_us
        if skip is None or skip.passed_us or reached_us <= skip.last_us:
            return
        margin_us = self._settings.rewind_us
        to_us = max(self.last_us, skip.position_us) + margin_us
        self._pipeline.add_gap(skip.from_us - margin_us, to_us, GapCause.FRAME_TOO_LARGE)
        skip.passed_us = reached_us

    async def finish(self, stream: FrameStream, suspect_from_us: int | None = None) -> None:
        """Flush everything that was received from `stream`, up to a hole or to a frame that cannot be read.

        `suspect_from_us`: from here on the host may have left events out, None if not. Raises the error of a flush.
        """
        intake = self._intake
        with contextlib.suppress(HostError):
            self._place_rest()
            intake.feed(stream.take_now())
            self._place_rest()
        await self._pipeline.wait()
        if suspect_from_us is not None:
            await self._pipeline.take_back(suspect_from_us)
        await self._start_flush()
        await self._pipeline.wait()

    def _place_rest(self) -> None:
        intake = self._intake
        while not (intake.is_broken or self.is_past_skip) and intake.continuity.hole is None and intake.place():
            pass

    async def abandon(self) -> None:
        """Let go of what is pending: Redis has moved on, and it will be fetched again."""
        await self._pipeline.abandon()


def _is_opening(messages: Sequence[bytes]) -> bool:
    return len(messages) < OPENING_MESSAGES and sum(map(len, messages)) < FLUSH_BYTES
