"""Reading the timeline for one subscriber: replay, then live, without a gap or a duplicate between them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.simulator.blocks import Block, SealedBlock
from harness.simulator.timeline import Position, Timeline
from harness.simulator.wires import Chunk, PlainWire, Run, Wire

__all__ = ["Chunk", "Origin", "Reader", "Wanted"]


class Wanted(Protocol):
    """What a subscriber filters by."""

    @property
    def dids(self) -> frozenset[str]:
        """Accounts; empty: all."""
        ...

    @property
    def cursor(self) -> int | None:
        """Where to begin; None: live."""
        ...

    def wants_collection(self, name: str) -> bool:
        """Whether events of a collection are wanted, or those without one (empty name)."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a subscriber begins; with nothing given, where live is.

    floor_us: replays what happened at that moment or later (v1). index: begins with the frame of that number, since_us: with the
    first frame of that moment or later, and goes on with all that comes after it (v2). Microseconds since 1970.
    """

    floor_us: int | None = None
    index: int | None = None
    since_us: int | None = None

    @property
    def is_live(self) -> bool:
        """Whether nothing is to be replayed."""
        return self == Origin()


class Selector:
    """Chooses the frames of blocks that a subscription wants and that the host has not lost."""

    def __init__(self, timeline: Timeline, wanted: Wanted, withheld: Sequence[tuple[int, int]]) -> None:
        self._timeline = timeline
        self._wanted = wanted
        self._withheld = withheld
        self._verdicts: list[bool] = []
        self._mask = 0

    def wants(self, collection: str, did: str) -> bool:
        """Whether an event of that collection and account is wanted."""
        return self._wanted.wants_collection(collection) and (not self._wanted.dids or did in self._wanted.dids)

    def wanted_mask(self) -> int:
        """A bit for each wanted collection among those that the timeline has seen so far."""
        names = self._timeline.collections
        while len(self._verdicts) < len(names):
            wanted = self._wanted.wants_collection(names[len(self._verdicts)])
            self._mask |= wanted << len(self._verdicts)
            self._verdicts.append(wanted)
        return self._mask

    def select(self, block: Block, start: int, end: int, floor_us: int | None) -> list[Run]:
        """The wanted frames among those at `start` to `end`, not older than `floor_us`."""
        mask = self.wanted_mask()
        whole = (floor_us is None or min(block.times[start:end]) >= floor_us) and not self._wanted.dids
        withheld = self._withheld_within(block, start, end) if self._withheld else []
        if whole and not withheld and all(mask >> number & 1 for number in set(block.collections[start:end])):
            return [(start, end)]
        return self._select_some(block, start, end, floor_us, withheld)

    def _withheld_within(self, block: Block, start: int, end: int) -> list[tuple[int, int]]:
        times = block.times[start:end]
        first_us, last_us = min(times), max(times)
        return [(from_us, to_us) for from_us, to_us in self._withheld if from_us <= last_us and first_us < to_us]

    def _select_some(
        self, block: Block, start: int, end: int, floor_us: int | None, withheld: list[tuple[int, int]]
    ) -> list[Run]:
        verdicts, dids, names = self._verdicts, self._wanted.dids, self._timeline.dids
        chosen: list[Run] = []
        run_start = -1
        for place in range(start, end):
            if (
                verdicts[block.collections[place]]
                and (floor_us is None or block.times[place] >= floor_us)
                and (not dids or names[block.dids[place]] in dids)
                and not any(from_us <= block.times[place] < to_us for from_us, to_us in withheld)
            ):
                if run_start < 0:
                    run_start = place
            elif run_start >= 0:
                chosen.append((run_start, place))
                run_start = -1
        if run_start >= 0:
            chosen.append((run_start, end))
        return chosen


class Reader:
    """One subscriber's way through the timeline. It holds a position and no frames, so that a slow one costs nothing.

    withheld: spans of time, end exclusive, of which nothing is served; it may grow. most: frames that a chunk has at most;
    None: a block. repeat: how many of the next frames come twice. last_frames: how many the last chunk had.
    """

    def __init__(
        self,
        timeline: Timeline,
        wanted: Wanted,
        *,
        wire: Wire | None = None,
        origin: Origin | None = None,
        withheld: Sequence[tuple[int, int]] = (),
    ) -> None:
        self._timeline = timeline
        self._origin = Origin(floor_us=wanted.cursor) if origin is None else origin
        self._wire = wire or PlainWire()
        self._selector = Selector(timeline, wanted, withheld)
        # Before the seam is replay, where the cursor decides; from the seam on is live, where everything is new.
        self._seam = timeline.end if timeline.live_from is not None else None
        self._position = self._seam if self._origin.is_live else timeline.position_of(self._origin.index or 0)
        self.most: int | None = None
        self.repeat = 0
        self.last_frames = 0

    @property
    def is_live(self) -> bool:
        """Whether everything that is there has been read."""
        return self._seam is not None and self._position == self._timeline.end

    def wants(self, collection: str, did: str) -> bool:
        """Whether an event of that collection and account is wanted."""
        return self._selector.wants(collection, did)

    def rewind(self, position: Position) -> None:
        """Serve everything again from there on."""
        self._position = self._seam = position
        self._timeline.wake()

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Websocket frames, some hundreds at a time while there is much to replay. Never ends. Raises OSError."""
        timeline = self._timeline
        while True:
            if self._seam is None:
                self._seam = timeline.live_from
            if self._position is None:
                self._position = self._seam
            twice = self.repeat > 0
            chunk = self._next_chunk(self._position) if self._position is not None else None
            if chunk is None:
                await timeline.changed()
            elif chunk:
                yield chunk
                if twice:
                    self.repeat = max(0, self.repeat - self.last_frames)
                    yield chunk
            else:
                await asyncio.sleep(0)

    def _next_chunk(self, position: Position) -> Chunk | None:
        """Go on by at most one block. None: there is nothing yet. Empty: nothing wanted was in it."""
        timeline, number = self._timeline, position.block
        if number < timeline.beginning.block:
            self._position = timeline.beginning
            return bytearray()
        in_replay = self._seam is None or position < self._seam
        if not in_replay:
            self._origin = Origin()
        # Both replay and live have a part in the block that holds the seam.
        seam_place = self._seam.place if in_replay and self._seam is not None and self._seam.block == number else None
        sealed = timeline.sealed(number)
        if sealed is not None and self._can_skip(sealed, seam_place is None):
            self._position = Position(number + 1, 0)
            return bytearray()
        block = timeline.block(number)
        end = len(block) if seam_place is None else seam_place
        if position.place == end:
            if sealed is None:
                return None
            self._position = Position(number + 1, 0)
            return bytearray()
        start = self._begin(block, timeline.first_of(number), position.place, end)
        end = min(end, start + min(self.most or end, self.repeat or end))
        self._position = Position(number, end)
        runs = self._selector.select(block, start, end, self._origin.floor_us) if start < end else []
        self.last_frames = sum(stop - begin for begin, stop in runs)
        return self._wire.encode(block, timeline.first_of(number), runs) if runs else b""

    def _begin(self, block: Block, first: int, start: int, end: int) -> int:
        """Where to begin among the frames at `start` to `end`; `end` where the beginning lies further on."""
        index, since_us = self._origin.index, self._origin.since_us
        if index is None and since_us is None:
            return start
        for place in range(start, end):
            if first + place >= (index or 0) and (since_us is None or block.times[place] >= since_us):
                # From here on everything is served, whatever its time.
                self._origin = Origin()
                return place
        return end

    def _can_skip(self, block: SealedBlock, is_whole: bool) -> bool:
        if self._origin.index is not None:
            return False
        if self._origin.since_us is not None:
            return is_whole and block.latest_us < self._origin.since_us
        floor_us = self._origin.floor_us if is_whole else None
        return not block.mask & self._selector.wanted_mask() or (floor_us is not None and block.latest_us < floor_us)
