"""Reading the timeline for one subscriber: replay, then live, without a gap or a duplicate between them."""

import asyncio
from collections.abc import AsyncGenerator

from simulator.blocks import Block, SealedBlock
from simulator.subscription import Subscription
from simulator.timeline import Position, Timeline

Chunk = bytearray | memoryview


class Selector:
    """Chooses the frames of blocks that a subscription wants."""

    def __init__(self, timeline: Timeline, subscription: Subscription) -> None:
        self._timeline = timeline
        self._subscription = subscription
        self._verdicts: list[bool] = []
        self._mask = 0

    def wanted_mask(self) -> int:
        """A bit for each wanted collection among those that the timeline has seen so far."""
        names = self._timeline.collections
        while len(self._verdicts) < len(names):
            wanted = self._subscription.wants_collection(names[len(self._verdicts)])
            self._mask |= wanted << len(self._verdicts)
            self._verdicts.append(wanted)
        return self._mask

    def select(self, block: Block, start: int, end: int, floor_us: int | None) -> Chunk:
        """The wanted websocket frames among those at `start` to `end`, not older than `floor_us`. Empty if none is."""
        mask = self.wanted_mask()
        whole = (floor_us is None or min(block.times[start:end]) >= floor_us) and not self._subscription.dids
        if whole and all(mask >> number & 1 for number in set(block.collections[start:end])):
            return block.wire[block.start_of(start) : block.start_of(end)]
        return self._select_some(block, start, end, floor_us)

    def _select_some(self, block: Block, start: int, end: int, floor_us: int | None) -> Chunk:
        verdicts, dids, names = self._verdicts, self._subscription.dids, self._timeline.dids
        chosen = bytearray()
        run_start = -1
        for place in range(start, end):
            if (
                verdicts[block.collections[place]]
                and (floor_us is None or block.times[place] >= floor_us)
                and (not dids or names[block.dids[place]] in dids)
            ):
                if run_start < 0:
                    run_start = place
            elif run_start >= 0:
                chosen += block.wire[block.start_of(run_start) : block.start_of(place)]
                run_start = -1
        if run_start >= 0:
            chosen += block.wire[block.start_of(run_start) : block.start_of(end)]
        return chosen


class Reader:
    """One subscriber's way through the timeline. It holds a position and no frames, so that a slow one costs nothing."""

    def __init__(self, timeline: Timeline, subscription: Subscription) -> None:
        self._timeline = timeline
        self._cursor = subscription.cursor
        self._selector = Selector(timeline, subscription)
        # Before the seam is replay, where the cursor decides; from the seam on is live, where everything is new.
        self._seam = timeline.end if timeline.live_from is not None else None
        self._position = timeline.beginning if self._cursor is not None else self._seam

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Websocket frames, some hundreds at a time while there is much to replay. Never ends. Raises OSError."""
        timeline = self._timeline
        while True:
            if self._seam is None:
                self._seam = timeline.live_from
            if self._position is None:
                self._position = self._seam
            chunk = self._next_chunk(self._position) if self._position is not None else None
            if chunk is None:
                await timeline.changed()
            elif chunk:
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
        floor_us = self._cursor if in_replay else None
        # Both replay and live have a part in the block that holds the seam.
        seam_place = self._seam.place if in_replay and self._seam is not None and self._seam.block == number else None
        sealed = timeline.sealed(number)
        if sealed is not None and self._can_skip(sealed, None if seam_place is not None else floor_us):
            self._position = Position(number + 1, 0)
            return bytearray()
        block = timeline.block(number)
        end = len(block) if seam_place is None else seam_place
        if position.place == end:
            if sealed is None:
                return None
            self._position = Position(number + 1, 0)
            return bytearray()
        self._position = Position(number, end)
        return self._selector.select(block, position.place, end, floor_us)

    def _can_skip(self, block: SealedBlock, floor_us: int | None) -> bool:
        return not block.mask & self._selector.wanted_mask() or (floor_us is not None and block.latest_us < floor_us)
