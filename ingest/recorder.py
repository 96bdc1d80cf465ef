"""Recording what a Jetstream host replays of a span of time, as a file of frames. It speaks the v1 wire and touches no buffer."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from urllib.parse import urlencode, urlsplit, urlunsplit

import zstandard
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect

from core.urls import shown
from ingest.continuity import CONFIRMING_EVENTS
from ingest.errors import IngestError
from ingest.frames import WANTED_COLLECTIONS
from ingest.jetstream import host_name

IDLE_SECONDS = 20.0
_TIME = re.compile(rb'"time_us"\s*:\s*(\d{15,17})\b')

# Called with the time of an event now and then, microseconds since 1970.
Progress = Callable[[int], None]


class NotServedError(IngestError):
    """A host cannot be reached or refuses to serve the span."""


@dataclass(frozen=True)
class Recorded:
    """What a host served: how many frames, and where it began and ended, as the medians of its first and its last times
    tell, whatever an odd one says; None where it served none."""

    frames: int
    first_us: int | None
    last_us: int | None

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
    largest_frame_bytes: int,
    idle_seconds: float = IDLE_SECONDS,
    progress: Progress | None = None,
) -> Recorded:
    """Write what the host at `url` serves from `start_us` on to `path` (NDJSON, zstd), until several events in a row are past
    `end_us`: one alone may have an odd time.

    Ends early where the host closes the connection or is silent for `idle_seconds`. Raises NotServedError where it cannot be
    reached; OSError.
    """
    try:
        connection = connect(_asking(url, start_us), compression=None, max_size=largest_frame_bytes, close_timeout=1)
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
        raise NotServedError(f"{host_name(url)} does not serve this: {shown(str(error))}") from error
    with connection, path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as writer:
        count, past = 0, 0
        first: list[int] = []
        last: deque[int] = deque(maxlen=CONFIRMING_EVENTS)
        for frame in _frames(connection, idle_seconds):
            writer.write(frame.replace(b"\n", b" ") + b"\n")
            count += 1
            time_us = _time_of(frame)
            if time_us is None:
                continue
            if len(first) < CONFIRMING_EVENTS:
                first.append(time_us)
            last.append(time_us)
            if progress and count % 1000 == 1:
                progress(time_us)
            past = past + 1 if time_us > end_us else 0
            if past == CONFIRMING_EVENTS:
                break
    return Recorded(count, median_low(first), median_low(last)) if first else Recorded(count, None, None)


def _asking(url: str, cursor_us: int) -> str:
    query = [("wantedCollections", collection) for collection in WANTED_COLLECTIONS] + [("cursor", str(cursor_us))]
    return urlunsplit(urlsplit(url)._replace(query=urlencode(query)))


def _frames(connection: ClientConnection, idle_seconds: float) -> Iterator[bytes]:
    while True:
        try:
            yield connection.recv(timeout=idle_seconds, decode=False)
        except (ConnectionClosed, TimeoutError):
            return


def _time_of(frame: bytes) -> int | None:
    """The first time that the frame names; what it really says is looked at when it is replayed."""
    found = _TIME.search(frame)
    return None if found is None else int(found[1])
