"""Blocks: some hundred frames each, ready for the socket, with what subscribers filter by."""

import struct
from array import array
from dataclasses import dataclass

from harness.simulator.storage import Location

BLOCK_FRAMES = 512
BLOCK_BYTES = 1 << 20

# RFC 6455: final fragment, opcodes 1 and 2.
TEXT_FRAME = 0x81
BINARY_FRAME = 0x82
_ARRAYS = ("ends", "times", "collections", "dids")
_HEADER = struct.Struct("=I")


def websocket_frame(payload: bytes, kind: int = TEXT_FRAME) -> bytes:
    """An unmasked frame, as servers send it (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        header = struct.pack("!BB", kind, length)
    elif length < 65536:
        header = struct.pack("!BBH", kind, 126, length)
    else:
        header = struct.pack("!BBQ", kind, 127, length)
    return header + payload


class Block:
    """Consecutive frames of the timeline.

    wire: the websocket frames, one after the other. ends: where each ends in it. times: microseconds since 1970.
    collections, dids: the timeline's numbers for them.
    """

    __slots__ = ("collections", "dids", "ends", "times", "wire")

    def __init__(self) -> None:
        self.wire: bytearray | memoryview = bytearray()
        self.ends = array("I")
        self.times = array("q")
        self.collections = array("H")
        self.dids = array("I")

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def is_full(self) -> bool:
        """Whether it should be sealed."""
        return len(self.ends) >= BLOCK_FRAMES or len(self.wire) >= BLOCK_BYTES

    def start_of(self, place: int) -> int:
        """Where the frame at `place` begins in `wire`."""
        return self.ends[place - 1] if place else 0

    def payload(self, place: int) -> bytes:
        """What the frame at `place` carries."""
        start = self.start_of(place)
        length = self.wire[start + 1]
        start += 2 if length < 126 else 4 if length == 126 else 10
        return bytes(self.wire[start : self.ends[place]])

    def pack(self) -> bytes:
        """All of it as bytes."""
        arrays = [getattr(self, name).tobytes() for name in _ARRAYS]
        return b"".join([_HEADER.pack(len(self)), *arrays, self.wire])

    @classmethod
    def unpack(cls, content: bytes) -> "Block":
        """The block that was packed."""
        block, view = cls(), memoryview(content)
        (count,) = _HEADER.unpack_from(view)
        position = _HEADER.size
        for name in _ARRAYS:
            column: array[int] = getattr(block, name)
            size = count * column.itemsize
            column.frombytes(view[position : position + size])
            position += size
        block.wire = view[position:]
        return block


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """What is known of a stored block without reading it.

    first: how many frames of the timeline come before it. mask: a bit for each collection's number in it. latest_us: the latest
    time in it, microseconds since 1970.
    """

    location: Location
    first: int
    mask: int
    latest_us: int
