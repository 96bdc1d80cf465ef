"""Frames that were received and are not flushed yet."""

import base64
import sys
from collections import defaultdict
from collections.abc import Iterator

import msgspec

from bluelake.buffer.chunks import Chunk, ChunkEncoder
from bluelake.core.reasons import MAX_REJECT_BYTES, RejectReason
from bluelake.core.watermark import Cursor
from ingest.clocks import CURSOR_SAMPLE, typical_cursor

# Queues of the ingester's own notices.
OWN_QUEUES = frozenset({"gaps", "rejects"})
# Frames above this are counted in bytes.
LARGE_BYTES = 64 << 10
# This much in large frames is flushed whatever the counts say.
FLUSH_BYTES = 8 << 20
ENOUGH = sys.maxsize
# A chunk of large frames is cut where it comes to this much, far below what a chunk can be.
CHUNK_BYTES = 64 << 20


class Pending:
    """Frames by queue with their times, in the order in which they came.

    `before`: what was pending before on the same connection. `large_bytes`: bytes in large frames. They are few, and could fill
    the memory all the same. `moves_cursor`: False where the host may have left events out.
    """

    def __init__(self, before: "Pending | None" = None) -> None:
        self._last_times: list[int] = [] if before is None else before.last_times()
        self._last_seqs: list[int] = [] if before is None else before.last_seqs()
        self.frames: defaultdict[str, list[bytes]] = defaultdict(list)
        self.times: defaultdict[str, list[int]] = defaultdict(list)
        self.seqs: defaultdict[str, list[int]] = defaultdict(list)
        # The true times of the events that have an odd one, by queue and position there.
        self._odd_times: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self.large_bytes = 0
        self.moves_cursor = True

    def add(self, queue: str, frame: bytes, time_us: int, seq: int | None = None) -> int:
        """Take one frame, on v2 with its sequence number. Returns how many its queue now has, or ENOUGH for a flush."""
        frames = self.frames[queue]
        frames.append(frame)
        self.times[queue].append(time_us)
        if seq is not None:
            self.seqs[queue].append(seq)
        if len(frame) > LARGE_BYTES:
            self.large_bytes += len(frame)
            if self.large_bytes >= FLUSH_BYTES:
                return ENOUGH
        return len(frames)

    def add_odd(self, queue: str, frame: bytes, time_us: int, seq: int | None, position_us: int) -> int:
        """The same for a frame whose time tells nothing of where the stream is: that is `position_us`."""
        self._odd_times[queue][len(self.frames[queue])] = time_us
        return self.add(queue, frame, position_us, seq)

    @property
    def size_bytes(self) -> int:
        """Bytes of all frames."""
        return sum(sum(map(len, frames)) for frames in self.frames.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing is pending."""
        return not self.frames

    def busiest(self) -> tuple[list[bytes], list[int]]:
        """Frames and times of the queue that has the most events; empty without any."""
        queue = self._busiest_queue()
        return ([], []) if queue is None else (self.frames[queue], self.times[queue])

    def _busiest_queue(self) -> str | None:
        return max(self.frames.keys() - OWN_QUEUES, key=lambda queue: len(self.frames[queue]), default=None)

    def last_times(self) -> list[int]:
        """The times of the connection's last frames, oldest first: those of the busiest queue, and before them older ones."""
        return [*self._last_times, *self.busiest()[1][-CURSOR_SAMPLE:]][-CURSOR_SAMPLE:]

    def last_seqs(self) -> list[int]:
        """The sequence numbers of the same frames. In a thin network another queue's last number may be far ahead."""
        queue = self._busiest_queue()
        latest = [] if queue is None or queue not in self.seqs else self.seqs[queue][-CURSOR_SAMPLE:]
        return [*self._last_seqs, *latest][-CURSOR_SAMPLE:]

    def cursor(self) -> Cursor | None:
        """Where to resume once this is flushed.

        None without any event here, and until the connection had enough frames to tell an odd time from the others.
        """
        if not self.moves_cursor or not self.busiest()[1]:
            return None
        return typical_cursor(self.last_times(), self.last_seqs())

    def chunks(self, encoder: ChunkEncoder, chunk_events: int) -> list[Chunk]:
        """All pending frames, as chunks of at most `chunk_events` events."""
        return [
            encoder.encode(queue, frames[start:end], min(times[start:end]), max(times[start:end]))
            for queue, frames in self.frames.items()
            for times in (self._true_times(queue),)
            for start, end in _cuts(frames, chunk_events)
        ]

    def _true_times(self, queue: str) -> list[int]:
        times, odd = self.times[queue], self._odd_times.get(queue)
        return times if odd is None else [odd.get(number, time_us) for number, time_us in enumerate(times)]

    def add_notice(self, queue: str, notice: dict[str, object], time_us: int) -> int:
        """Take a notice of the ingester's own, for one of OWN_QUEUES. It does not move the cursor. Returns as `add`."""
        return self.add(queue, msgspec.json.encode(notice), time_us)


def _cuts(frames: list[bytes], chunk_events: int) -> Iterator[tuple[int, int]]:
    """Where to cut `frames` into chunks: at so many events, and before one would hold more than CHUNK_BYTES."""
    start = size = 0
    for number, frame in enumerate(frames):
        if number - start >= chunk_events or (number > start and size + len(frame) > CHUNK_BYTES):
            yield start, number
            start, size = number, 0
        size += len(frame)
    yield start, len(frames)


def reject_notice(frame: bytes, reason: RejectReason, received_us: int) -> dict[str, object]:
    """The entry of a frame in the queue `rejects`: its bytes in base64, the reason, and when it came."""
    return {
        "reason": reason.value,
        "received_us": received_us,
        "raw": base64.b64encode(frame[:MAX_REJECT_BYTES]).decode(),
    }
