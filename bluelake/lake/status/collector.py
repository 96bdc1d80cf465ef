"""The facts behind `bluelake status`, `/healthz` and `/metrics`, each read by itself.

A `Collector` reads one fact a method. A broken file under one fact leaves the others readable. The facts are values: how
they read to a person is in parts.py, in JSON in webapi/health.py, and as gauges in webapi/metrics.py.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
from deltalake.exceptions import DeltaError

from bluelake.buffer.client import Buffer, Depth
from bluelake.core.clock import to_datetime
from bluelake.core.errors import first_line
from bluelake.core.settings import Settings
from bluelake.core.status import Status, read_status
from bluelake.core.watermark import read_watermark
from bluelake.lake.compaction import oldest_waiting_us, read_state, waiting_hours
from bluelake.lake.delta import DataFile, Store
from bluelake.lake.errors import LakeUnavailableError
from bluelake.lake.status.batches import (
    RECENT_SECONDS,
    BatchRow,
    most_rejected,
    read_newest,
    read_recent,
    sum_rejects_by_reason,
)
from bluelake.lake.status.gaps import Gap, missing_seconds, read_gaps
from bluelake.lake.tables import GAPS, LIKES, POSTS, TABLES
from bluelake.lake.views import Published, ViewInfo, current

# Redis gets no longer than this for one answer, so that /healthz answers while Redis hangs.
REDIS_TIMEOUT_SECONDS = 1.0


class UnreadableFactError(LakeUnavailableError):
    """One fact cannot be read now. The message has one line of the reason; `reason` has the whole of it."""

    def __init__(self, what: str, error: Exception) -> None:
        super().__init__(f"the {what} cannot be read now: {first_line(error)}")
        self.reason = str(error)


@dataclass(frozen=True)
class BufferFacts:
    """What each queue of the buffer holds."""

    queues: Mapping[str, Depth]

    @property
    def events(self) -> int:
        """The events in all queues."""
        return sum(queue.events for queue in self.queues.values())

    @property
    def size_bytes(self) -> int:
        """The compressed bytes in all queues."""
        return sum(queue.size_bytes for queue in self.queues.values())


@dataclass(frozen=True)
class ProcessFacts:
    """The last status of a process, such as `ingest` or `drain`; None where it has not run yet."""

    name: str
    status: Status | None


@dataclass(frozen=True)
class LakeFacts:
    """How far the lake is: the last flush that it holds whole, and the time of its newest event (UTC, None for none)."""

    committed_flush: int
    newest_event_at: datetime | None


@dataclass(frozen=True)
class RejectsFacts:
    """The rejects of the batches written in the last RECENT_SECONDS. `worst`: see `most_rejected`."""

    worst: BatchRow | None
    by_reason: Mapping[str, int]
    alert_ratio: float

    @property
    def worst_ratio(self) -> float:
        """The share of rejects in the worst batch, 0 to 1; 0 without a batch."""
        return self.worst.reject_ratio if self.worst else 0.0

    @property
    def alert(self) -> bool:
        """Whether that share is above REJECT_ALERT_RATIO."""
        return self.worst is not None and self.worst_ratio > self.alert_ratio


@dataclass(frozen=True)
class GapsFacts:
    """The gaps of the lake, the open ones first, then the repaired, each newest first."""

    gaps: Sequence[Gap]

    @property
    def open(self) -> list[Gap]:
        """The gaps that nothing has repaired yet."""
        return [gap for gap in self.gaps if gap.repaired_at is None]

    @property
    def missing_seconds(self) -> float:
        """How many seconds lie in an open gap; overlapping gaps count once."""
        return missing_seconds(self.gaps)


@dataclass(frozen=True)
class WaitingHours:
    """The hours that the next seal takes. `count`: an hour of several tables counts once. `oldest`: its label.

    `since_us`: when the first of them could have been sealed, microseconds since 1970.
    """

    count: int = 0
    oldest: str = ""
    since_us: int = 0


@dataclass(frozen=True)
class SealFacts:
    """The last status of the seal, and the hours that wait for the next one. A failed seal leaves those unread."""

    status: Status | None
    waiting: WaitingHours


@dataclass(frozen=True)
class MaintainFacts:
    """The last status of the maintenance. Before its first run: when the oldest file of the lake was written, if any.

    `oldest_file_us`: microseconds since 1970.
    """

    status: Status | None
    oldest_file_us: int | None = None


@dataclass(frozen=True)
class ViewsFacts:
    """The published views, None before the first; the last status of their refresh, None before the first.

    `oldest_file_us`: where nothing is published, when the oldest file of the lake was written, microseconds since 1970.
    """

    published: Published | None
    refresh: Status | None
    oldest_file_us: int | None = None

    @property
    def held_back(self) -> list[ViewInfo]:
        """The views that the last refresh could not compute."""
        return [view for view in self.published.views if view.stale_since is not None] if self.published else []


@dataclass(frozen=True)
class PendingPurgeFacts:
    """How many deleted rows the last maintenance left in the files, and the time of the oldest deletion that waits.

    `oldest_us`: microseconds since 1970, None where no deletion waits.
    """

    rows: int
    oldest_us: int | None


class Collector:
    """Reads the facts of one BLUELAKE_HOME. Threads may share it; `store` must be its own."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._lock = threading.Lock()
        self._gaps: tuple[tuple[DataFile, ...], GapsFacts] | None = None

    def buffer(self) -> BufferFacts:
        """What the buffer holds. Raises BufferError within about a second."""
        with self._redis() as buffer:
            return BufferFacts(buffer.depth())

    def last_flush_at(self) -> datetime | None:
        """When Redis took its last flush, UTC; None for never. Raises BufferError within about a second."""
        with self._redis() as buffer:
            flushed_us = buffer.state().flushed_us
        return to_datetime(flushed_us) if flushed_us else None

    def process(self, name: str) -> ProcessFacts:
        """The last status of the process `name`: `ingest` or `drain`. Never raises."""
        return ProcessFacts(name, read_status(self._settings, name))

    def last_well_seconds(self, task: str) -> float:
        """When `task` (`seal`, `maintain`, `refresh`) last ended well, seconds since 1970; 0 where it never has. Never raises."""
        status = read_status(self._settings, task)
        return (status.last_well_us or 0) / 1e6 if status else 0.0

    def lake(self) -> LakeFacts:
        """How far the lake is. Raises LakeError, CorruptStateError."""
        with self._reading("lake"):
            committed = read_watermark(self._settings.watermark_path).committed
            events = (file.last_us for table in (LIKES, POSTS) for file in self._store.files(table.name))
            newest_us = max(events, default=None)
        return LakeFacts(committed, None if newest_us is None else to_datetime(newest_us))

    def batches(self, limit: int) -> list[BatchRow]:
        """The newest `limit` batches, newest first. Raises LakeError."""
        with self._reading("batches"):
            return read_newest(self._settings, self._store, limit)

    def rejects(self, now: datetime) -> RejectsFacts:
        """The rejects of the batches written in the RECENT_SECONDS before `now`. Raises LakeError."""
        with self._reading("batches"):
            recent = read_recent(self._settings, self._store, now - timedelta(seconds=RECENT_SECONDS))
        return RejectsFacts(
            most_rejected(recent, now), sum_rejects_by_reason(recent), self._settings.reject_alert_ratio
        )

    def gaps(self) -> GapsFacts:
        """The gaps; read again only after the table has changed. Raises LakeError."""
        with self._reading("gaps"):
            files = self._store.files(GAPS.name)
            if self._gaps is None or self._gaps[0] is not files:
                self._gaps = (files, GapsFacts(read_gaps(self._settings, self._store)))
            return self._gaps[1]

    def views(self) -> ViewsFacts:
        """The published views and the last status of their refresh. Raises LakeError, OSError."""
        published, refresh = current(self._settings), read_status(self._settings, "refresh")
        return ViewsFacts(published, refresh, None if published else self._oldest_file_us())

    def seal(self, now: datetime) -> SealFacts:
        """The last status of the seal, and the hours that wait for the next one at `now`. Raises LakeError."""
        status = read_status(self._settings, "seal")
        failed = status is not None and not status.ok
        return SealFacts(status, WaitingHours() if failed else self.waiting_hours(now))

    def waiting_hours(self, now: datetime) -> WaitingHours:
        """The hours that wait at `now` to be sealed. Raises LakeError."""
        with self._reading("hours"):
            waiting = waiting_hours(self._settings, self._store, now)
        if not waiting:
            return WaitingHours()
        hours = {hour for hour, _, _ in waiting}
        return WaitingHours(len(hours), waiting[0].hour.label, min(hour.since_us for hour in waiting))

    def maintain(self) -> MaintainFacts:
        """The last status of the maintenance, or the age of a lake that never had one. Raises LakeError."""
        if status := read_status(self._settings, "maintain"):
            return MaintainFacts(status)
        return MaintainFacts(None, self._oldest_file_us())

    def pending_purge(self) -> PendingPurgeFacts:
        """The deletions that a maintenance has still to carry out; none where deleted rows are kept. Raises LakeError."""
        if self._settings.bluelake_deletions == "keep":
            return PendingPurgeFacts(0, None)
        with self._reading("deletions that wait"):
            state = read_state(self._settings.maintenance_dir)
            return PendingPurgeFacts(state.rows, oldest_waiting_us(state, self._store))

    def _oldest_file_us(self) -> int | None:
        """When the oldest file of the lake was written, microseconds since 1970; None for none. Raises LakeError."""
        with self._reading("files"):
            return min((file.added_us for name in TABLES for file in self._store.files(name)), default=None)

    @contextmanager
    def _redis(self) -> Iterator[Buffer]:
        buffer = Buffer(self._settings.redis_url, timeout_seconds=REDIS_TIMEOUT_SECONDS)
        try:
            yield buffer
        finally:
            buffer.close()

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """One thread at a time reads the store. The errors of DuckDB, delta-rs and files become an UnreadableFactError."""
        try:
            with self._lock:
                yield
        except (duckdb.Error, DeltaError, OSError) as error:
            raise UnreadableFactError(what, error) from error
