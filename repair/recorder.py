"""Recording what a Jetstream host replays of a span of time, as a file of frames of the wire that it speaks.

It reads hosts as the ingester does and touches no buffer. Every recording ends: behind its span, with the connection, or
where what comes brings it no further, so that no host fills the disk.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from typing import BinaryIO

import zstandard
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from bluelake.core.urls import shown
from bluelake.core.watermark import Cursor
from ingest.continuity import CONFIRMING_EVENTS
from ingest.errors import HostError, IngestError
from ingest.frames import EARLIEST_US, Notice, Wire, WireName
from ingest.jetstream import Request, host_name, lacks_wire, open_stream, wire_of_path
from ingest.receive import FrameStream
from ingest.wire_v1 import WireV1
from ingest.wire_v2 import WireV2

IDLE_SECONDS = 20.0
# So many frames in a row that are no events, and so tell no time, end a recording: a stream of events holds few others.
UNREADABLE_FRAMES = 1_000
# And so many without a later time than before: over a minute of the network, far more than comes out of order.
STUCK_FRAMES = 100_000
# And so long without one.
STUCK_SECONDS = 300.0
# Which time an event may claim is looked at when it is replayed.
_ANY_US = 2**62
_NOTES_KEPT, _LONGEST_NOTE = 8, 200

# Called with the time of an event now and then, microseconds since 1970.
Progress = Callable[[int], None]


class NotServedError(IngestError):
    """A host cannot be reached, refuses to serve the span, or serves nothing that is an event."""


@dataclass(frozen=True)
class Recorded:
    """What a host served: how many frames, and where it began and ended, as the medians of its first and its last times
    tell, whatever an odd one says; None where it served none. `wire`: of the frames. `notes`: what the host said of the stream,
    and why it ended before its span did, for a person."""

    frames: int
    first_us: int | None
    last_us: int | None
    wire: WireName
    notes: tuple[str, ...] = ()

    def reaches(self, start_us: int, end_us: int) -> bool:
        """Whether it begins by `start_us` and goes on to `end_us`."""
        return (
            self.first_us is not None
            and self.last_us is not None
            and self.first_us <= start_us
            and self.last_us >= end_us
        )


def record(
    url: str,
    start_us: int,
    end_us: int,
    path: Path,
    *,
    wire: WireName | None = None,
    idle_seconds: float = IDLE_SECONDS,
    progress: Progress | None = None,
) -> Recorded:
    """Write what the host at `url` serves from `start_us` on to `path` (NDJSON, zstd), until several events in a row are past
    `end_us`: one alone may have an odd time.

    `wire`: which one to speak; None: the one of the URL's path, and without a path v2, or v1 where the host has no v2.
    Ends early where the host closes the connection, ends the stream with an error or is silent for `idle_seconds`, or where its
    frames tell no time or none that goes on. Raises NotServedError where nothing was served because of any of these but
    silence and a plain close; OSError.
    """
    named = wire or wire_of_path(url)
    wires: tuple[WireName, ...] = ("v2", "v1") if named is None else (named,)
    with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as writer:
        tape = _Tape(host_name(url), end_us, writer, progress)
        # On v2 a smaller number than the earliest time is no time.
        return asyncio.run(_record(url, wires, Cursor(max(start_us, EARLIEST_US)), tape, idle_seconds))


async def _record(
    url: str, wires: Sequence[WireName], position: Cursor, tape: "_Tape", idle_seconds: float
) -> Recorded:
    name, *others = wires
    wire: Wire = WireV2(_ANY_US) if name == "v2" else WireV1(_ANY_US)
    try:
        async with open_stream(Request(url, wire, position)) as stream:
            await _take(stream, wire, tape, idle_seconds)
            return tape.recorded(name)
    except HostError as error:
        if others and lacks_wire(error):
            return await _record(url, others, position, tape, idle_seconds)
        raise tape.refused(str(error).removeprefix(f"{tape.host} ")) from error


async def _take(stream: FrameStream, wire: Wire, tape: "_Tape", idle_seconds: float) -> None:
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                messages = await stream.take()
        except ConnectionClosedOK:
            return
        except ConnectionClosed as error:
            tape.end(f"closed the connection: {error}")
            return
        except TimeoutError:
            tape.note(f"has sent nothing for {idle_seconds:g} s")
            return
        for message in messages:
            if tape.takes_last(message, wire):
                return


class _Tape:
    """What has been recorded of `host` so far, which is wanted up to `end_us`."""

    def __init__(self, host: str, end_us: int, writer: BinaryIO, progress: Progress | None) -> None:
        self.host = host
        self._end_us = end_us
        self._writer = writer
        self._progress = progress
        self._frames = self._past = self._unreadable = self._stuck = 0
        self._reached_us = 0
        self._reached_at = time.monotonic()
        self._first: list[int] = []
        self._last: deque[int] = deque(maxlen=CONFIRMING_EVENTS)
        self._notes: list[str] = []

    def takes_last(self, frame: bytes, wire: Wire) -> bool:
        """Take a frame, also one that is no event. Returns whether it is the last one to take. Raises NotServedError."""
        routed = wire.route(frame)
        if isinstance(routed, Notice):
            said = f"{routed.name}: {routed.message}"
            if routed.is_error:
                self.end(f"ended the stream: {said}")
                return True
            self.note(f"says {said}")
        else:
            self._writer.write(frame.replace(b"\n", b" ") + b"\n")
            self._frames += 1
        return self._is_past(routed[2]) if isinstance(routed, tuple) else self._is_unreadable()

    def _is_past(self, time_us: int) -> bool:
        """Whether this time of an event is the last one that it takes to be behind the span, or to see that none will be."""
        self._unreadable = 0
        if len(self._first) < CONFIRMING_EVENTS:
            self._first.append(time_us)
        self._last.append(time_us)
        if self._progress and self._frames % 1000 == 1:
            self._progress(time_us)
        self._past = self._past + 1 if time_us > self._end_us else 0
        if self._past == CONFIRMING_EVENTS:
            return True
        # An odd time is no progress, nor are those behind the span as long as others come between them.
        if len(self._last) == CONFIRMING_EVENTS:
            reached_us = min(median_low(self._last), self._end_us)
            if reached_us > self._reached_us:
                self._reached_us, self._reached_at, self._stuck = reached_us, time.monotonic(), 0
        return self._is_stuck()

    def _is_unreadable(self) -> bool:
        """Whether one more frame that is no event is one too many."""
        self._unreadable += 1
        if self._unreadable == UNREADABLE_FRAMES:
            self.end(f"tells no time in {UNREADABLE_FRAMES} frames in a row")
            return True
        return self._is_stuck()

    def _is_stuck(self) -> bool:
        self._stuck += 1
        if self._stuck >= STUCK_FRAMES:
            self.end(f"tells no later time in {STUCK_FRAMES} frames in a row")
        elif time.monotonic() - self._reached_at > STUCK_SECONDS:
            self.end(f"tells no later time for {STUCK_SECONDS:g} s")
        else:
            return False
        return True

    def note(self, text: str) -> None:
        """Keep for a person what was said, once."""
        line = shown("".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST_NOTE])).strip()
        if line not in self._notes and len(self._notes) < _NOTES_KEPT:
            self._notes.append(line)

    def end(self, reason: str) -> None:
        """It ends for that reason before its span does. Raises NotServedError if there is no event in it."""
        if not self._first:
            raise self.refused(reason)
        self.note(reason)

    def refused(self, reason: str) -> NotServedError:
        """The error that says so, with what the host has said until then."""
        return NotServedError(f"{self.host} does not serve this: {'; '.join([*self._notes, shown(reason)])}")

    def recorded(self, wire: WireName) -> Recorded:
        """What there is."""
        first_us, last_us = (median_low(self._first), median_low(self._last)) if self._first else (None, None)
        return Recorded(self._frames, first_us, last_us, wire, tuple(self._notes))
