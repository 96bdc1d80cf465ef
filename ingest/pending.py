"""What has been received and not yet flushed."""

import base64
import sys
from collections import defaultdict

import msgspec

from buffer.chunks import Chunk, ChunkEncoder
from core.reasons import RejectReason
from core.watermark import Cursor

# Queues of the ingester's own notices.
OWN_QUEUES = frozenset({"gaps", "rejects"})
# Frames above this are counted in bytes.
LARGE_BYTES = 64 << 10
# This much in large frames is flushed whatever the counts say.
FLUSH_BYTES = 8 << 20
ENOUGH = sys.maxsize
# How many of the last frames' times the cursor is taken from. One frame with an odd time must not move it.
CURSOR_SAMPLE = 9
# A rejected frame is kept whole up to here; more of one would not help anybody.
MAX_REJECT_BYTES = 16 << 20


class Pending:
    """Frames by queue with their times, in the order in which they came.

    `large_bytes`: how much of it is in large frames, which are few and could fill the memory all the same.
    """

    def __init__(self) -> None:
        self.frames: defaultdict[str, list[bytes]] = defaultdict(list)
        self.times: defaultdict[str, list[int]] = defaultdict(list)
        self.seqs: list[int] = []
        self.large_bytes = 0

    def add(self, queue: str, frame: bytes, time_us: int, seq: int | None = None) -> int:
        """Take one frame, on v2 with its sequence number. Returns how many its queue now has, or ENOUGH for a flush."""
        frames = self.frames[queue]
        frames.append(frame)
        self.times[queue].append(time_us)
        if seq is not None:
            self.seqs.append(seq)
        if len(frame) > LARGE_BYTES:
            self.large_bytes += len(frame)
            if self.large_bytes >= FLUSH_BYTES:
                return ENOUGH
        return len(frames)

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
        queue = max(self.frames.keys() - OWN_QUEUES, key=lambda queue: len(self.frames[queue]), default=None)
        return ([], []) if queue is None else (self.frames[queue], self.times[queue])

    def cursor(self) -> Cursor | None:
        """Where to resume once this is flushed: the median time of the busiest queue's last frames, and the median of the
        last sequence numbers. None without any frame."""
        _, times = self.busiest()
        sample, seqs = sorted(times[-CURSOR_SAMPLE:]), sorted(self.seqs[-CURSOR_SAMPLE:])
        return Cursor(sample[len(sample) // 2], seqs[len(seqs) // 2] if seqs else None) if sample else None

    def chunks(self, encoder: ChunkEncoder, chunk_events: int) -> list[Chunk]:
        """All that is pending, as chunks of at most `chunk_events` events."""
        return [
            encoder.encode(
                queue,
                frames[start : start + chunk_events],
                min(times[start : start + chunk_events]),
                max(times[start : start + chunk_events]),
            )
            for queue, frames in self.frames.items()
            for times in (self.times[queue],)
            for start in range(0, len(frames), chunk_events)
        ]

    def add_notice(self, queue: str, notice: dict[str, object], time_us: int) -> None:
        """Take something of the ingester's own, for one of OWN_QUEUES; it does not move the cursor."""
        self.add(queue, msgspec.json.encode(notice), time_us)


def reject_notice(frame: bytes, reason: RejectReason, received_us: int) -> dict[str, object]:
    """What the queue `rejects` holds of a frame: its bytes in base64, the reason, and when it came."""
    return {
        "reason": reason.value,
        "received_us": received_us,
        "raw": base64.b64encode(frame[:MAX_REJECT_BYTES]).decode(),
    }
