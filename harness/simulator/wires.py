"""How frames leave a host: as text that was made beforehand, with the host's own times, as v2's envelopes, compressed."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import zstandard

from harness.simulator.blocks import BINARY_FRAME, Block, websocket_frame

Chunk = bytes | bytearray | memoryview
Run = tuple[int, int]
"""Neighbouring frames of a block: the place of the first, and that after the last."""

_TIMED = re.compile(rb'\{"did":"[^"\\]*","time_us":(-?\d+),')


class Wire(Protocol):
    """Writes frames of blocks as a host sends them."""

    def encode(self, block: Block, first: int, runs: Sequence[Run]) -> Chunk:
        """The websocket frames of those runs, one after the other. first: how many frames came before the block."""
        ...

    def message(self, payload: bytes) -> bytes:
        """A payload that is not on the timeline as the websocket frame in which this wire sends it."""
        ...

    def payload(self, frame: bytes, index: int) -> bytes:
        """One frame of the timeline, with so many before it, as this wire tells it, before it is packed."""
        ...

    def error(self, name: str) -> bytes | None:
        """The payload that tells of an error; None where the wire has no such frame."""
        ...


Pack = Callable[[bytes], bytes]
"""Makes a payload a websocket frame: `websocket_frame`, or `compressing(dictionary)`."""

_COMPRESSION_LEVEL = 1


def compressing(dictionary: zstandard.ZstdCompressionDict) -> Pack:
    """Packs payloads as binary messages, a zstd frame each."""
    compress = zstandard.ZstdCompressor(_COMPRESSION_LEVEL, dict_data=dictionary).compress
    return lambda payload: websocket_frame(compress(payload), BINARY_FRAME)


class PlainWire:
    """v1 by a host whose clock is right: the frames as they lie in the block."""

    def encode(self, block: Block, first: int, runs: Sequence[Run]) -> Chunk:
        """Nothing is copied where everything is wanted."""
        if len(runs) == 1:
            ((start, end),) = runs
            return block.wire[block.start_of(start) : block.start_of(end)]
        return b"".join([block.wire[block.start_of(start) : block.start_of(end)] for start, end in runs])

    def message(self, payload: bytes) -> bytes:
        """A text frame."""
        return websocket_frame(payload)

    def payload(self, frame: bytes, index: int) -> bytes:
        """The frame."""
        return frame

    def error(self, name: str) -> bytes | None:
        """v1 just closes."""
        return None


class FrameWire:
    """v1 by a host whose clock is off by `offset_us`, or compressed."""

    def __init__(self, offset_us: int, pack: Pack = websocket_frame) -> None:
        self._offset_us = offset_us
        self._pack = pack

    def encode(self, block: Block, first: int, runs: Sequence[Run]) -> Chunk:
        """A line of a file that is not shaped as Jetstream's keeps its time."""
        offset_us, pack = self._offset_us, self._pack
        return b"".join([pack(shifted(block.payload(place), offset_us)) for place in places(runs)])

    def message(self, payload: bytes) -> bytes:
        """Packed as all others, its time as it is."""
        return self._pack(payload)

    def payload(self, frame: bytes, index: int) -> bytes:
        """The frame by the host's clock."""
        return shifted(frame, self._offset_us)

    def error(self, name: str) -> bytes | None:
        """v1 just closes."""
        return None


def places(runs: Sequence[Run]) -> Iterator[int]:
    """The places of all frames of those runs."""
    for start, end in runs:
        yield from range(start, end)


def time_of(frame: bytes) -> int | None:
    """The time that a v1 frame tells, microseconds since 1970; None where it is not shaped as Jetstream's are."""
    found = _TIMED.match(frame)
    return None if found is None else int(found[1])


def shifted(frame: bytes, offset_us: int) -> bytes:
    """A v1 frame with its time moved by `offset_us`."""
    found = _TIMED.match(frame) if offset_us else None
    if found is None:
        return frame
    start, end = found.span(1)
    return b"%b%d%b" % (frame[:start], int(found[1]) + offset_us, frame[end:])
