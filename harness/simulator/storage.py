"""Where the timeline's compressed blocks lie: nameless temporary files, so that memory stays small and nothing is left behind."""

import os
import tempfile
from typing import IO, NamedTuple

_SEGMENT_BYTES = 64 << 20


class Location(NamedTuple):
    """Where a block lies: the number of its segment, where it begins there, and its length in bytes."""

    segment: int
    offset: int
    length: int


class BlockStore:
    """Appends blocks to segments of 64 MiB, and drops the oldest segment when all of them are over `keep_bytes`."""

    def __init__(self, keep_bytes: int, segment_bytes: int = _SEGMENT_BYTES) -> None:
        self._keep_bytes = keep_bytes
        self._segment_bytes = segment_bytes
        self._files: dict[int, IO[bytes]] = {}
        self._last = -1
        self._end = segment_bytes
        self._stored_bytes = 0
        self.first_segment = 0
        """Blocks in segments before this one are gone."""

    def append(self, block: bytes) -> Location:
        """Store a block. Raises OSError, for instance when the disk is full."""
        if self._end >= self._segment_bytes:
            self._last += 1
            self._end = 0
            self._files[self._last] = tempfile.TemporaryFile(prefix="simulator-", buffering=0)  # noqa: SIM115
        file = self._files[self._last]
        offset = self._end
        file.write(block)
        self._end += len(block)
        self._stored_bytes += len(block)
        while self._stored_bytes > self._keep_bytes and self.first_segment < self._last:
            self._drop_oldest()
        return Location(self._last, offset, len(block))

    def _drop_oldest(self) -> None:
        with self._files.pop(self.first_segment) as file:
            self._stored_bytes -= os.fstat(file.fileno()).st_size
        self.first_segment += 1

    def read(self, location: Location) -> bytes:
        """A block that is still there. Raises OSError."""
        return os.pread(self._files[location.segment].fileno(), location.length, location.offset)

    def close(self) -> None:
        """Give the disk space back."""
        for file in self._files.values():
            file.close()
        self._files.clear()
