"""One of the Jetstream hosts that a simulator plays: the same timeline, seen by a clock of its own and numbered its own way."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.simulator.activity import MICROSECONDS
from harness.simulator.errors import CursorTooOldError, LedgerError
from harness.simulator.reader import Origin
from harness.simulator.timeline import Timeline

# Hosts number the same events differently, by ranges that overlap: a number taken to another host names another event there.
_FIRST_SEQ = 100_000
_SEQ_STEP = 7_000
# Cursors of v2 from here on are times.
LEAST_TIME_CURSOR = 10**15


@dataclass(slots=True)
class Host:
    """A host. Times inside the simulator are base times; the host adds `offset_us` to every time that it serves.

    clock: microseconds since 1970. retention_us: how far back it replays; None: as far as the timeline reaches. ledger: where the
    truth is recorded; what the host withholds is recorded beside it. withheld: spans of base time, end exclusive. forgotten_us:
    base time before which it replays nothing any more, whatever its retention. port: where it listens; 0 before it does.
    """

    number: int
    timeline: Timeline
    clock: Callable[[], int]
    offset_us: int = 0
    retention_us: int | None = None
    ledger: Path | None = None
    withheld: list[tuple[int, int]] = field(default_factory=list)
    forgotten_us: int | None = None
    port: int = 0

    @property
    def first_seq(self) -> int:
        """The number of the timeline's first event."""
        return _FIRST_SEQ + _SEQ_STEP * self.number

    @property
    def floor_us(self) -> int | None:
        """Base time before which nothing is replayed; None: everything is."""
        floors = [] if self.retention_us is None else [self.clock() - self.retention_us]
        return max([*floors, *([] if self.forgotten_us is None else [self.forgotten_us])], default=None)

    def floor_index(self) -> int:
        """The number of the oldest frame that is replayed. Raises OSError."""
        oldest, floor_us = self.timeline.oldest, self.floor_us
        return oldest if floor_us is None else max(oldest, self.timeline.index_at(floor_us))

    def replay_from(self, cursor: int | None) -> Origin:
        """Where v1 begins: a cursor that is too old begins where there still is something, and nobody says so."""
        if cursor is None:
            return Origin()
        return Origin(floor_us=max(cursor - self.offset_us, self.floor_us or cursor - self.offset_us))

    def check_cursor(self, cursor: int | None) -> None:
        """Raises CursorTooOldError where v2's cursor is a number of what is not there any more."""
        if cursor is None or cursor >= LEAST_TIME_CURSOR:
            return
        floor = self.floor_index()
        if floor and cursor < self.first_seq + floor:
            raise CursorTooOldError(f"cursor {cursor} is below the oldest seq here, {self.first_seq + floor}")

    def resume_from(self, cursor: int | None) -> tuple[Origin, int | None]:
        """Where v2 begins, and, where the cursor was a time that is too old, the number from which it begins instead.

        Raises OSError when the timeline cannot be read.
        """
        if cursor is None:
            return Origin(), None
        if cursor < LEAST_TIME_CURSOR:
            return Origin(index=max(0, cursor - self.first_seq)), None
        since_us, floor_us = cursor - self.offset_us, self._oldest_us()
        if floor_us is None or since_us >= floor_us:
            return Origin(since_us=since_us), None
        return Origin(since_us=floor_us), self.first_seq + self.timeline.index_at(floor_us)

    def _oldest_us(self) -> int | None:
        """Base time before which something is not there any more; None: everything is."""
        timeline = self.timeline
        floors = [] if self.floor_us is None else [self.floor_us]
        if timeline.oldest:
            floors.append(timeline.block(timeline.beginning.block).times[0])
        return max(floors, default=None)

    def listens_at(self, port: int) -> None:
        """Take over what an earlier run withheld on that port: it is gone for good. Raises LedgerError."""
        self.port = port
        path = self._withheld_path
        if path is None or not path.exists():
            return
        try:
            spans = [json.loads(line) for line in path.read_bytes().splitlines()]
        except (OSError, ValueError) as error:
            raise LedgerError(f"{path}: {error}; remove it or choose another ledger") from error
        for span in (span for span in spans if span["host"] == port and "again_us" not in span):
            if span.get("forgotten"):
                self.forgotten_us = max(span["to_us"], self.forgotten_us or 0)
            else:
                self.withheld.append((span["from_us"], span["to_us"]))

    def withhold(self, seconds: float) -> tuple[int, int]:
        """Lose what happens from now on for so long. Recorded before it is true. Gives the span. Raises LedgerError."""
        from_us = max(self.clock(), self.timeline.latest_us + 1)
        span = from_us, from_us + int(seconds * MICROSECONDS)
        self._record({"from_us": span[0], "to_us": span[1]})
        self.withheld.append(span)
        return span

    def tell_again(self, from_us: int, to_us: int) -> int:
        """Serve a span of base time, its end exclusive, once more with new times. Recorded before it is true.

        Gives the first of these times. Raises LedgerError.
        """
        at_us = max(self.clock(), self.timeline.latest_us)
        self._record({"from_us": from_us, "to_us": to_us, "again_us": at_us})
        return at_us

    def forget(self, floor_us: int) -> None:
        """Replay nothing any more that is older than that base time. Recorded before it is true. Raises LedgerError."""
        self._record({"from_us": 0, "to_us": floor_us, "forgotten": True})
        self.forgotten_us = max(floor_us, self.forgotten_us or 0)

    def _record(self, span: dict[str, int]) -> None:
        """Write a span that is not served beside the ledger. Raises LedgerError."""
        path = self._withheld_path
        if path is None:
            return
        line = json.dumps({"host": self.port, **span}, separators=(",", ":"))
        try:
            with path.open("ab") as file:
                file.write(f"{line}\n".encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise LedgerError(f"{path}: {error.strerror}; make room or choose another ledger") from error

    @property
    def _withheld_path(self) -> Path | None:
        return None if self.ledger is None else self.ledger.with_name(f"{self.ledger.name}.withheld")
