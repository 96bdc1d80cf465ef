"""What has been received and not yet flushed."""

import base64
from dataclasses import dataclass, field

import msgspec

from buffer.chunks import Chunk, ChunkEncoder
from core.reasons import RejectReason

# How many of the last frames' times the cursor is taken from. One frame with an odd time must not move it.
CURSOR_SAMPLE = 9
# A rejected frame is kept whole up to here; more of one would not help anybody.
MAX_REJECT_BYTES = 16 << 20


@dataclass
class Pending:
    """Frames by queue with their times, in the order in which they came."""

    frames: dict[str, list[bytes]] = field(default_factory=dict)
    times: dict[str, list[int]] = field(default_factory=dict)
    recent_us: list[int] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, queue: str, frame: bytes, time_us: int) -> int:
        """Take one frame. Returns how many its queue now has."""
        self.size_bytes += len(frame)
        self.recent_us.append(time_us)
        times = self.times.get(queue)
        if times is None:
            self.frames[queue], self.times[queue] = [frame], [time_us]
            return 1
        times.append(time_us)
        self.frames[queue].append(frame)
        return len(times)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is pending."""
        return not self.frames

    def cursor_us(self) -> int | None:
        """Where to resume once this is flushed: the median of the last frames' times. None without any time."""
        sample = sorted(self.recent_us[-CURSOR_SAMPLE:])
        return sample[len(sample) // 2] if sample else None

    def chunks(self, encoder: ChunkEncoder, chunk_events: int) -> list[Chunk]:
        """All that is pending, as chunks of at most `chunk_events` events."""
        return [
            encoder.encode(
                queue,
                _single_lines(frames[start : start + chunk_events]),
                min(times[start : start + chunk_events]),
                max(times[start : start + chunk_events]),
            )
            for queue, frames in self.frames.items()
            for times in (self.times[queue],)
            for start in range(0, len(frames), chunk_events)
        ]

    def add_notice(self, queue: str, notice: dict[str, object], time_us: int) -> int:
        """Take something of the ingester's own, for `gaps` or `rejects`; it does not move the cursor."""
        count = self.add(queue, msgspec.json.encode(notice), time_us)
        self.recent_us.pop()
        return count


def reject_notice(frame: bytes, reason: RejectReason, received_us: int) -> dict[str, object]:
    """What the queue `rejects` holds of a frame: its bytes in base64, the reason, and when it came."""
    return {
        "reason": reason.value,
        "received_us": received_us,
        "raw": base64.b64encode(frame[:MAX_REJECT_BYTES]).decode(),
    }


def _single_lines(frames: list[bytes]) -> list[bytes]:
    """`frames` without line feeds, which in JSON can only be white space between tokens (RFC 8259 §2)."""
    if b"\n" in b"".join(frames):
        return [frame.replace(b"\n", b" ") for frame in frames]
    return frames
