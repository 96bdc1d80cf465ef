"""Record a span of time from a Jetstream host into a file, a frame a line, on the wire that the host speaks.

The recorder reads a host as the ingester does, and touches no buffer. It stops past the end of the span, when the
connection ends, or when the frames bring it no further (`repair/span_progress.py`).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from bluelake.core.urls import shown
from bluelake.core.watermark import Cursor
from ingest.errors import HostError, IngestError
from ingest.frames import Notice, Wire, WireName
from ingest.jetstream import Request, host_name, lacks_wire, open_stream, wire_of_path
from ingest.receive import FrameStream
from ingest.wire_v1 import WireV1
from ingest.wire_v2 import WireV2
from repair.span_progress import SpanProgress

IDLE_SECONDS = 20.0
# The replay checks which times an event may claim.
_ANY_US = 2**62
# 2022. A cursor counts the time at which a host saw an event, and no host is older. On v2 a small number is a sequence number.
_FIRST_WITNESSED_US = 1_640_995_200_000_000
_NOTES_KEPT, _LONGEST_NOTE = 8, 200

# Called now and then with the time of an event, microseconds since 1970.
Progress = Callable[[int], None]


class NotServedError(IngestError):
    """A host cannot be reached, refuses to serve the span, or serves nothing that is an event."""


@dataclass(frozen=True)
class Recorded:
    """What a host served.

    `first_us`, `last_us`: medians of the first and of the last event times, so that one odd time changes nothing; None where
    the host served no event. `wire`: the wire of the frames. `notes`: for a person, what the host said of the stream, and why
    the recording ended before its span.
    """

    frames: int
    first_us: int | None
    last_us: int | None
    wire: WireName
    notes: tuple[str, ...] = ()

    def reaches(self, start_us: int, end_us: int) -> bool:
        """Whether the host served events from `start_us` or earlier to `end_us` or later."""
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
    """Write the frames that the host at `url` serves from `start_us` on to `path` (NDJSON, zstd).

    The recording ends when several events in a row are past `end_us`. It ends early when the host closes the connection,
    ends the stream with an error or is silent for `idle_seconds`, and when the frames bring it no further.
    `wire`: the wire to speak. None: the wire of the URL's path; without a path v2, or v1 where the host has no v2.
    Raises NotServedError where no event was served, unless the host was silent or closed the connection plainly; OSError.
    """
    named = wire or wire_of_path(url)
    wires: tuple[WireName, ...] = ("v2", "v1") if named is None else (named,)
    with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as writer:
        recorder = _Recorder(host_name(url), end_us, writer, progress)
        return asyncio.run(_record(url, wires, Cursor(max(start_us, _FIRST_WITNESSED_US)), recorder, idle_seconds))


async def _record(
    url: str, wires: Sequence[WireName], position: Cursor, recorder: "_Recorder", idle_seconds: float
) -> Recorded:
    name, *others = wires
    wire: Wire = WireV2(_ANY_US) if name == "v2" else WireV1(_ANY_US)
    try:
        async with open_stream(Request(url, wire, position)) as stream:
            await _read(stream, wire, recorder, idle_seconds)
            return recorder.recorded(name)
    except HostError as error:
        if others and lacks_wire(error):
            return await _record(url, others, position, recorder, idle_seconds)
        raise recorder.refused(str(error).removeprefix(f"{recorder.host} ")) from error


async def _read(stream: FrameStream, wire: Wire, recorder: "_Recorder", idle_seconds: float) -> None:
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                messages = await stream.take()
        except ConnectionClosedOK:
            return
        except ConnectionClosed as error:
            recorder.end(f"closed the connection: {error}")
            return
        except TimeoutError:
            recorder.note(f"has sent nothing for {idle_seconds:g} s")
            return
        for message in messages:
            if recorder.add(message, wire):
                return


class _Recorder:
    """Writes the frames of `host`, follows its progress to `end_us` and keeps notes for a person."""

    def __init__(self, host: str, end_us: int, writer: BinaryIO, progress: Progress | None) -> None:
        self.host = host
        self._span = SpanProgress(end_us)
        self._writer = writer
        self._progress = progress
        self._frames = 0
        self._notes: list[str] = []

    def add(self, frame: bytes, wire: Wire) -> bool:
        """Record a frame, even one that is no event. Returns whether it is the last one. Raises NotServedError."""
        routed = wire.route(frame)
        if isinstance(routed, Notice):
            message = f"{routed.name}: {routed.message}"
            if routed.is_error:
                self.end(f"ended the stream: {message}")
                return True
            self.note(f"says {message}")
        else:
            self._writer.write(frame.replace(b"\n", b" ") + b"\n")
            self._frames += 1
        if isinstance(routed, tuple):
            if self._progress and self._frames % 1000 == 1:
                self._progress(routed[2])
            ends = self._span.add_event(routed[2])
        else:
            ends = self._span.add_unreadable()
        if self._span.reason:
            self.end(self._span.reason)
        return ends

    def note(self, text: str) -> None:
        """Keep a note for a person. The same note is kept once."""
        line = shown("".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST_NOTE])).strip()
        if line not in self._notes and len(self._notes) < _NOTES_KEPT:
            self._notes.append(line)

    def end(self, reason: str) -> None:
        """Note why the recording ends before its span. Raises NotServedError if it holds no event."""
        if self._span.first_us is None:
            raise self.refused(reason)
        self.note(reason)

    def refused(self, reason: str) -> NotServedError:
        """The error for this reason, with the notes so far."""
        return NotServedError(f"{self.host} does not serve this: {'; '.join([*self._notes, shown(reason)])}")

    def recorded(self, wire: WireName) -> Recorded:
        """The result so far."""
        return Recorded(self._frames, self._span.first_us, self._span.last_us, wire, tuple(self._notes))
