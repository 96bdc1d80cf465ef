"""Messages of one connection into events: decompression, size limit, wire."""

from collections.abc import Sequence

from bluelake.core.reasons import RejectReason
from bluelake.core.settings import Settings
from ingest.compression import Inflater
from ingest.frames import Rejected, Wire
from ingest.steady_clock import steady_now_us

TOO_LARGE = Rejected(RejectReason.TOO_LARGE)


class Decoder:
    """How one connection's messages are read. The reader's loop uses the parts, since a call for each frame would cost too much.

    `inflater`: None without compression. `largest_bytes`: larger frames are rejected unread.
    """

    def __init__(self, settings: Settings, wire: Wire, inflater: Inflater | None = None) -> None:
        self.wire = wire
        self.inflater = inflater
        self.largest_bytes = settings.max_frame_bytes
        self._future_us = settings.future_us
        self.move_latest()

    def move_latest(self) -> None:
        """Move the latest time on that an event may claim."""
        self.wire.latest_us = steady_now_us() + self._future_us

    def events(self, messages: Sequence[bytes], limit_bytes: int) -> tuple[list[bytes], list[int]]:
        """Frames and times (microseconds since 1970) of the events in `messages`, until they have `limit_bytes`.

        It ends at the first message that cannot be read: the reader meets that one again.
        """
        frames: list[bytes] = []
        times: list[int] = []
        size_bytes = 0
        for message in messages:
            if size_bytes >= limit_bytes:
                break
            try:
                frame = message if self.inflater is None else self.inflater.inflate(message)
                routed = self.wire.route(frame) if len(frame) <= self.largest_bytes else TOO_LARGE
            except Exception:
                break
            size_bytes += len(frame)
            if isinstance(routed, tuple):
                frames.append(routed[1])
                times.append(routed[2])
        return frames, times
