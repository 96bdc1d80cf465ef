"""Feeding the timeline: the history first, as fast as it can be made, then live events when they are due."""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence

from harness.simulator.activity import MICROSECONDS
from harness.simulator.events import Event
from harness.simulator.generator import Generator
from harness.simulator.ledger import Ledger
from harness.simulator.timeline import Timeline

# Events made in one go: subscribers wait at most some milliseconds for their turn.
_BATCH = 256
# Live events that are closer than this come together.
_TICK_SECONDS = 0.01
_LONGEST_SLEEP_SECONDS = 1.0


class Feeder:
    """Brings events into the ledger and then into the timeline, in this order: nothing is served that is not recorded.

    clock: microseconds since 1970. recorded: events that come before all that `generator` makes. Methods raise LedgerError,
    and OSError when the timeline cannot be stored.
    """

    def __init__(
        self,
        timeline: Timeline,
        ledger: Ledger | None,
        clock: Callable[[], int],
        recorded: Iterator[Event],
        generator: Generator | None,
    ) -> None:
        self._timeline = timeline
        self._ledger = ledger
        self._clock = clock
        self._recorded = recorded
        self._generator = generator

    async def catch_up(self) -> None:
        """Make all that happened up to now, then let the timeline go live."""
        while batch := list(itertools.islice(self._recorded, _BATCH)):
            await self._publish(batch)
        while batch := self._due():
            await self._publish(batch)
        self._timeline.go_live()

    async def follow(self) -> None:
        """Make what happens as it happens, until cancelled."""
        while True:
            if batch := self._due():
                await self._publish(batch)
            else:
                await asyncio.sleep(self._pause_seconds())

    def _due(self) -> list[Event]:
        return self._generator.until(self._clock(), _BATCH) if self._generator is not None else []

    def _pause_seconds(self) -> float:
        if self._generator is None:
            return _LONGEST_SLEEP_SECONDS
        wait = (self._generator.next_us - self._clock()) / MICROSECONDS
        return min(max(wait, _TICK_SECONDS), _LONGEST_SLEEP_SECONDS)

    async def _publish(self, batch: Sequence[Event]) -> None:
        if self._ledger is not None:
            self._ledger.record([event.truth for event in batch])
        self._timeline.extend(batch)
        await asyncio.sleep(0)
