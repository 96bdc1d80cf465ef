"""What one drain did: its counts, gathered commit by commit, and its row of the table `batches`."""

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import pyarrow as pa

from bluelake.buffer.client import Flush
from bluelake.core.clock import to_datetime, to_us
from bluelake.core.watermark import cursors_to_json
from bluelake.lake.hours import Hour
from bluelake.lake.tables import BATCHES, REJECTS, REPLACEMENTS

log = logging.getLogger(__name__)


class _Counts(msgspec.Struct):
    """What a commit's metadata tells of it."""

    rows: int = 0
    duplicates: int = 0
    size_bytes: int = 0
    newest_event_us: int | None = None
    rejects_by_reason: dict[str, int] = {}
    anomalies: dict[str, int] = {}
    unwritable: list[int] = []


@dataclass
class Batch:
    """What one drain did. `started`: UTC. Bytes: `bytes_raw` of JSON taken, `bytes_stored` of Parquet written.

    `duplicates`: events that were re-delivered, rejects not among them. `rejects_by_reason`: all frames that could not be
    rows, also those that the table `rejects` has already; `rows_by_table` tells how many it had not.
    `unwritable`: by table, the ordinals of the frames (among those after the watermark) that it was committed without.
    """

    started: datetime
    first_flush: int
    last_flush: int
    events_in: int
    duration_seconds: float = 0.0
    rows_by_table: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    rejects_by_reason: Counter[str] = field(default_factory=Counter)
    anomalies: Counter[str] = field(default_factory=Counter)
    bytes_raw: int = 0
    bytes_stored: int = 0
    newest_event_us: int | None = None
    unwritable: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    @property
    def rows_out(self) -> int:
        """Rows written to the tables of events; rejects are not among them."""
        return sum(rows for table, rows in self.rows_by_table.items() if table != REJECTS.name)

    @property
    def rejects(self) -> int:
        """Frames rejected, however often the same one came."""
        return sum(self.rejects_by_reason.values())

    def add(self, table: str, counts: Mapping[str, object]) -> None:
        """Take in what a commit to `table` says of itself."""
        parsed = msgspec.convert(counts, _Counts, strict=False)
        # A replacement is no event: it says something about one.
        if table != REPLACEMENTS.name:
            self.rows_by_table[table] += parsed.rows
        self.duplicates += parsed.duplicates
        self.rejects_by_reason.update(parsed.rejects_by_reason)
        self.anomalies.update(parsed.anomalies)
        self.bytes_stored += parsed.size_bytes
        self.unwritable[table] += parsed.unwritable
        if parsed.newest_event_us is not None:
            self.newest_event_us = max(self.newest_event_us or 0, parsed.newest_event_us)

    def row(self, last: Flush) -> pa.Table:
        """Its row of `batches`; `last` is the last flush that it took."""
        started = self.started
        newest = None if self.newest_event_us is None else to_datetime(self.newest_event_us)
        row = {
            "event_at": started,
            "duration_ms": round(self.duration_seconds * 1000),
            "first_flush": self.first_flush,
            "last_flush": self.last_flush,
            "events_in": self.events_in,
            "rows_out": self.rows_out,
            "rows_by_table": json.dumps(self.rows_by_table),
            "duplicates": self.duplicates,
            "rejects": self.rejects,
            "rejects_by_reason": json.dumps(self.rejects_by_reason),
            "anomalies_by_reason": json.dumps(self.anomalies),
            "bytes_raw": self.bytes_raw,
            "bytes_stored": self.bytes_stored,
            "newest_event_at": newest,
            "cursors": cursors_to_json(last.cursors),
            **Hour.of(to_us(started)).partition,
        }
        return pa.Table.from_pylist([row], schema=BATCHES.schema)

    def log(self) -> None:
        """Say in one line what it did."""
        log.info(
            "drained flushes %d to %d: %d events in, %d rows, %d duplicates, %d rejects, %.1f MB of JSON as %.1f MB, %.2f s",
            self.first_flush,
            self.last_flush,
            self.events_in,
            self.rows_out,
            self.duplicates,
            self.rejects,
            self.bytes_raw / 1e6,
            self.bytes_stored / 1e6,
            self.duration_seconds,
        )
