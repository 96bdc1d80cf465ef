"""What the web process reads from the lake, opened at the first request: never before gunicorn has forked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import duckdb
from deltalake.exceptions import DeltaError

from bluelake.core import clock
from bluelake.core.settings import Settings, load_settings
from bluelake.lake.compaction import oldest_waiting_us, read_state, waiting_hours
from bluelake.lake.delta import DataFile, Store
from bluelake.lake.errors import LakeUnavailableError
from bluelake.lake.query import connect, scan
from bluelake.lake.search import Searcher
from bluelake.lake.status import Gap, Part, RecentBatch, maintain_part, read_gaps, read_recent, seal_part
from bluelake.lake.tables import BATCHES, GAPS

_BATCHES_MEMORY_MB = 64


@dataclass(frozen=True)
class BatchRow:
    """One row of the table `batches`. Times are UTC; `newest_event_at` is None for a batch without events."""

    event_at: datetime
    duration_ms: int
    first_flush: int
    last_flush: int
    events_in: int
    rows_out: int
    duplicates: int
    rejects: int
    bytes_raw: int
    bytes_stored: int
    newest_event_at: datetime | None

    def age_seconds(self) -> float:
        """How long ago its newest event was. Raises ValueError for a batch without events."""
        if self.newest_event_at is None:
            raise ValueError("a batch without events has no age")
        return (clock.now() - self.newest_event_at).total_seconds()


class LakeAccess:
    """The lake of one `BLUELAKE_HOME`, for the threads of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.searcher = Searcher(Store(settings.lake_dir), settings)
        self._store = Store(settings.lake_dir)
        self._lock = threading.Lock()
        self._gaps: tuple[tuple[DataFile, ...], list[Gap]] | None = None

    def batches(self, limit: int) -> list[BatchRow]:
        """The newest batches, newest first. Raises LakeUnavailableError."""
        columns = ", ".join(BatchRow.__dataclass_fields__)
        with self._reading("batches"):
            # A batch is a file of its own, until an hour of them is sealed into one.
            files = sorted(self._store.files(BATCHES.name), key=lambda file: file.last_us)[-limit:]
            with connect(self.settings, memory_mb=_BATCHES_MEMORY_MB, threads=1) as connection:
                rows: list[tuple[Any, ...]] = connection.execute(
                    f"SELECT {columns} FROM {scan(BATCHES, files)} ORDER BY event_at DESC, last_flush DESC LIMIT ?",
                    [limit],
                ).fetchall()
        return [BatchRow(*row) for row in rows]

    def recent_batches(self, since: datetime) -> list[RecentBatch]:
        """The batches that were written at `since` or later. Raises LakeError."""
        with self._reading("batches"):
            return read_recent(self.settings, self._store, since)

    def sealing(self) -> Part:
        """Whether the last seal went well, and what waits for the next one. Raises LakeError."""
        with self._reading("hours"):
            return seal_part(self.settings, self._store, clock.now())

    def maintaining(self) -> Part:
        """What the last maintenance said, and whether the next one is overdue. Raises LakeError."""
        with self._reading("files"):
            return maintain_part(self.settings, self._store, clock.now())

    def unsealed_hours(self) -> int:
        """How many hours wait to be sealed. Raises LakeError."""
        with self._reading("hours"):
            return len({hour for hour, _, _ in waiting_hours(self.settings, self._store, clock.now())})

    def pending_purge(self) -> tuple[int, int | None]:
        """How many deleted rows a maintenance has still to purge, as far as the last one found them, and when the oldest
        deletion was made that waits for one, microseconds since 1970. Raises LakeError."""
        if self.settings.bluelake_deletions == "keep":
            return 0, None
        with self._reading("deletions that wait"):
            state = read_state(self.settings.maintenance_dir)
            return state.rows, oldest_waiting_us(state, self._store)

    def gaps(self) -> list[Gap]:
        """The gaps, the open ones first. Raises LakeUnavailableError."""
        with self._reading("gaps"):
            files = self._store.files(GAPS.name)
            if self._gaps is None or self._gaps[0] is not files:
                self._gaps = (files, read_gaps(self.settings, self._store))
            return self._gaps[1]

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """One thread at a time; what DuckDB and delta-rs raise becomes a LakeUnavailableError."""
        try:
            with self._lock:
                yield
        except (duckdb.Error, DeltaError, OSError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise LakeUnavailableError(f"the {what} cannot be read now: {reason}") from error


@cache
def lake_access() -> LakeAccess:
    """The lake of this process' settings."""
    return LakeAccess(load_settings())
