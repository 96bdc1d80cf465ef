"""The timeline: all that was ever made available, in serving order, shared by every subscriber."""

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

import zstandard

from harness.simulator.blocks import Block, SealedBlock, websocket_frame
from harness.simulator.events import Event
from harness.simulator.storage import BlockStore

_COMPRESSION_LEVEL = 1
# Subscribers that follow each other closely read the same block one after the other.
_CACHED_BLOCKS = 4


class Position(NamedTuple):
    """A place between two frames: the number of a block, and the number of frames before it in that block."""

    block: int
    place: int


class Timeline:
    """Frames in serving order: compressed blocks on disk, the newest frames in memory.

    It only grows at its end, and loses its oldest blocks when they are over `keep_bytes`. Until `go_live` it is history that is
    still being made; what comes later is live.
    """

    def __init__(self, keep_bytes: int, store: BlockStore | None = None) -> None:
        self._store = store or BlockStore(keep_bytes)
        self._sealed: list[SealedBlock] = []
        self._dropped = 0
        self._open = Block()
        self._changed = asyncio.Event()
        self._compressor = zstandard.ZstdCompressor(_COMPRESSION_LEVEL)
        self._decompressor = zstandard.ZstdDecompressor()
        self._cache: OrderedDict[int, Block] = OrderedDict()
        self._collection_numbers: dict[str, int] = {}
        self._did_numbers: dict[str, int] = {}
        self.collections: list[str] = []
        """The name of each collection's number."""
        self.dids: list[str] = []
        """The DID of each account's number."""
        self.length = 0
        """Frames that were ever made available."""
        self.live_from: Position | None = None
        """Where live begins; None while the history is being made."""

    @property
    def beginning(self) -> Position:
        """Before the oldest frame that is still there."""
        return Position(self._dropped, 0)

    @property
    def end(self) -> Position:
        """After the newest frame."""
        return Position(self._dropped + len(self._sealed), len(self._open))

    def extend(self, events: Iterable[Event]) -> None:
        """Make events available. Raises OSError when they cannot be stored."""
        for event in events:
            self._append(event)
            if self._open.is_full:
                self._seal()
        self.wake()

    def _append(self, event: Event) -> None:
        block = self._open
        assert isinstance(block.wire, bytearray)
        block.wire += websocket_frame(event.frame)
        block.ends.append(len(block.wire))
        block.times.append(event.time_us)
        block.collections.append(_number(event.collection, self._collection_numbers, self.collections))
        block.dids.append(_number(event.did, self._did_numbers, self.dids))
        self.length += 1

    def _seal(self) -> None:
        block = self._open
        location = self._store.append(self._compressor.compress(block.pack()))
        mask = 0
        for collection in set(block.collections):
            mask |= 1 << collection
        self._remember(self.end.block, block)
        self._sealed.append(SealedBlock(location, self.length - len(block), mask, max(block.times)))
        self._open = Block()
        gone = 0
        while self._sealed[gone].location.segment < self._store.first_segment:
            gone += 1
        del self._sealed[:gone]
        self._dropped += gone

    def wake(self) -> None:
        """Let everybody who waits for a change look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    def go_live(self) -> None:
        """Say that the history is complete."""
        self.live_from = self.end
        self.wake()

    async def changed(self) -> None:
        """Wait until the timeline has grown or gone live."""
        await self._changed.wait()

    def sealed(self, number: int) -> SealedBlock | None:
        """What is known of a block; None for the newest, which is still growing."""
        place = number - self._dropped
        return self._sealed[place] if place < len(self._sealed) else None

    def first_of(self, number: int) -> int:
        """How many frames came before a block that is still there."""
        found = self.sealed(number)
        return self.length - len(self._open) if found is None else found.first

    @property
    def oldest(self) -> int:
        """How many frames are not there any more."""
        return self.first_of(self._dropped)

    @property
    def latest_us(self) -> int:
        """The latest time of the newest frames, microseconds since 1970; 0 when there are none."""
        sealed = self._sealed[-1].latest_us if self._sealed else 0
        return max(sealed, max(self._open.times, default=0))

    def position_of(self, index: int) -> Position:
        """Before the frame of that number; the beginning where it is gone, the end where it is not there yet."""
        if index >= self.length:
            return self.end
        place = bisect_right(self._sealed, index, key=lambda block: block.first) - 1
        if self._sealed and place < 0:
            return self.beginning
        if place == len(self._sealed) - 1 and index >= self.length - len(self._open):
            place += 1
        number = self._dropped + place
        return Position(number, index - self.first_of(number))

    def index_at(self, time_us: int) -> int:
        """The number of the first frame that is there and happened at that moment or later. Raises OSError."""
        for place, sealed in enumerate(self._sealed):
            if sealed.latest_us >= time_us:
                return sealed.first + _first_at(self.block(self._dropped + place), time_us)
        return self.length - len(self._open) + _first_at(self._open, time_us)

    def event_at(self, index: int) -> tuple[bytes, str, str, int]:
        """The frame of that number, its collection, its account and when it happened. Raises OSError."""
        position = self.position_of(index)
        block, place = self.block(position.block), position.place
        names = self.collections[block.collections[place]], self.dids[block.dids[place]]
        return block.payload(place), *names, block.times[place]

    def block(self, number: int) -> Block:
        """A block that is still there. Raises OSError."""
        found = self.sealed(number)
        if found is None:
            return self._open
        block = self._cache.get(number)
        if block is None:
            block = Block.unpack(self._decompressor.decompress(self._store.read(found.location)))
            self._remember(number, block)
        return block

    def _remember(self, number: int, block: Block) -> None:
        self._cache[number] = block
        if len(self._cache) > _CACHED_BLOCKS:
            self._cache.popitem(last=False)

    def close(self) -> None:
        """Give everything back."""
        self._cache.clear()
        self._store.close()


def _first_at(block: Block, time_us: int) -> int:
    return next((place for place, found_us in enumerate(block.times) if found_us >= time_us), len(block))


def _number(name: str, numbers: dict[str, int], names: list[str]) -> int:
    number = numbers.get(name)
    if number is None:
        number = numbers[name] = len(names)
        names.append(name)
    return number
