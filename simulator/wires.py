"""How frames leave a host: as text that was made beforehand, with the host's own times, as v2's envelopes, compressed."""

import re
from collections.abc import Sequence
from typing import Protocol

from simulator.blocks import Block, websocket_frame

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


class ShiftedWire(PlainWire):
    """v1 by a host whose clock is off by `offset_us`."""

    def __init__(self, offset_us: int) -> None:
        self._offset_us = offset_us

    def encode(self, block: Block, first: int, runs: Sequence[Run]) -> Chunk:
        """A line of a file that is not shaped as Jetstream's keeps its time."""
        offset_us = self._offset_us
        return b"".join(
            [
                websocket_frame(shifted(block.payload(place), offset_us))
                for start, end in runs
                for place in range(start, end)
            ]
        )


def shifted(frame: bytes, offset_us: int) -> bytes:
    """A v1 frame with its time moved by `offset_us`."""
    found = _TIMED.match(frame)
    if found is None or not offset_us:
        return frame
    start, end = found.span(1)
    return b"%b%d%b" % (frame[:start], int(found[1]) + offset_us, frame[end:])
