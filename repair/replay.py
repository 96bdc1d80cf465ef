"""Replay: a recording of frames goes into the lake, and what the lake already has falls out.

It is exactly once by comparison, not by number: each piece is compared with the stored rows around it, so that a replay can be
repeated, killed, or overlap with a drain without changing any row twice. A drain waits while one piece is committed, since
it compares with the same rows. The drain's own transactions are not touched.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa

from bluelake.buffer.chunks import ChunkEncoder
from bluelake.buffer.client import Entry
from bluelake.core import clock
from bluelake.core.clock import to_us
from bluelake.core.reasons import RejectReason
from bluelake.core.settings import Settings
from bluelake.lake.compaction import GoneAccounts, purges
from bluelake.lake.delta import Store, make_ready
from bluelake.lake.drain import (
    DATA_ERRORS,
    PARSED_QUEUES,
    Lines,
    Parsed,
    Reject,
    Selection,
    find_unwritable,
    parse,
    prepare,
    read_lines,
    reject_of,
    select_new,
    select_new_rejects,
)
from bluelake.lake.errors import RecordingError
from bluelake.lake.locks import exclusive
from bluelake.lake.query import END_US, between, connect, quote, replacing, scan, sql_template
from bluelake.lake.status import Gap, close_gaps
from bluelake.lake.tables import DELETES, RECORD_TABLES, REJECTS, Table
from repair.recordings import HOST, Piece, Place, Recording

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
APPLICATION = "bluelake-replay"
_CHUNK_EVENTS = 4096
# Somebody else's recording may come from a host that was a day behind: its times are later, its revs are the same.
MARGIN_US = 86_400_000_000
# Rejects are few, and a recording does not tell when one came: they are compared with all there are.
_ALL_US = 100 * 365 * 86_400_000_000


@dataclass
class Replayed:
    """What a replay did. `rows_by_table`: new rows. `withdrawn`: rows left out since a later delete covers them, they
    went with their account, or they come far behind what supersedes them. `closed`: gaps that it closed, wholly or in part.
    `spans`: first and last time, microseconds since 1970, of each run of its events without a hole of over GAP_SECONDS."""

    frames: int = 0
    rows_by_table: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    withdrawn: int = 0
    closed: list[Gap] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rows_out(self) -> int:
        """New rows of events; rejects are not among them."""
        return sum(rows for table, rows in self.rows_by_table.items() if table != REJECTS.name)

    @property
    def rejects(self) -> int:
        """New rejects."""
        return self.rows_by_table[REJECTS.name]

    def held(self, start_us: int, end_us: int) -> bool:
        """Whether one run of events begins by `start_us` and goes on to `end_us`."""
        return any(first <= start_us and last >= end_us for first, last in self.spans)

    def add(self, other: "Replayed") -> None:
        """Add what another replay did."""
        self.frames += other.frames
        self.rows_by_table.update(other.rows_by_table)
        self.duplicates += other.duplicates
        self.withdrawn += other.withdrawn
        self.closed += other.closed
        self.spans += other.spans
        self.seconds += other.seconds


class Coverage:
    """Which spans of time a recording really holds: runs of events without a hole of more than `hole_us`."""

    def __init__(self, hole_us: int) -> None:
        self._hole_us = max(hole_us, 1_000_000)
        self._buckets: dict[int, tuple[int, int]] = {}

    def add(self, times: list[int]) -> None:
        """Take in the times of some events, microseconds since 1970."""
        if not times:
            return
        ordered = np.sort(np.array(times, dtype=np.int64))
        numbers, starts = np.unique(ordered // self._hole_us, return_index=True)
        ends = [*(starts[1:] - 1).tolist(), len(ordered) - 1]
        for number, start, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True):
            first, last = int(ordered[start]), int(ordered[end])
            known = self._buckets.get(number, (first, last))
            self._buckets[number] = (min(first, known[0]), max(last, known[1]))

    def spans(self) -> list[tuple[int, int]]:
        """First and last time of each run."""
        found: list[tuple[int, int]] = []
        for _, (first, last) in sorted(self._buckets.items()):
            if found and first - found[-1][1] <= self._hole_us:
                found[-1] = (found[-1][0], last)
            else:
                found.append((first, last))
        return found


class Replay:
    """Takes one recording into the lake of `settings`."""

    def __init__(self, settings: Settings, store: Store, connection: duckdb.DuckDBPyConnection) -> None:
        self._settings = settings
        self._store = store
        self._connection = connection
        self._clocks_margin_us = settings.dedupe_margin_us
        self._gone = GoneAccounts(store, connection, self._clocks_margin_us)
        self._margin_us = max(MARGIN_US, self._clocks_margin_us)
        self.result = Replayed()

    def commit(self, piece: Piece) -> None:
        """Commit what is new in one piece, a commit a table. Raises CommitError, OSError, duckdb.Error."""
        rejects = list(piece.rejects)
        encoder = ChunkEncoder()
        for queue in PARSED_QUEUES:
            frames, times = piece.frames.get(queue, []), piece.times.get(queue, [])
            if not frames:
                continue
            entries = []
            for start in range(0, len(frames), _CHUNK_EVENTS):
                part = slice(start, start + _CHUNK_EVENTS)
                chunk = encoder.encode(queue, frames[part], min(times[part]), max(times[part]))
                entries.append(Entry(0, HOST, chunk))
            lines = read_lines(entries, self._settings.duckdb_threads)
            rejects += self._commit_queue(queue, lines)
        if rejects:
            selection = select_new_rejects(self._connection, self._store, rejects, _ALL_US)
            self._append(REJECTS, selection.rows)
            self.result.duplicates += selection.duplicates
        self.result.frames += piece.count

    def _commit_queue(self, queue: str, lines: Lines) -> list[Reject]:
        """Commit the new rows of one queue. Returns the frames that are no rows."""
        parsed = parse(self._connection, queue, lines, rows_from=0, rejects_from=0)
        rejects = list(parsed.rejects)
        try:
            self._commit_rows(parsed)
        except DATA_ERRORS as error:
            log.warning("%s cannot be written as it is, looking for the rows at fault: %s", queue, error)
            bad = find_unwritable(self._connection, self._settings, self._store, parsed, self._margin_us)
            if not bad:
                raise
            self._connection.execute(f"DELETE FROM {parsed.relation} WHERE ordinal IN (SELECT unnest(?))", [bad])
            rejects += [reject_of(lines, queue, ordinal, RejectReason.UNWRITABLE) for ordinal in bad]
            self._commit_rows(parsed)
        self._connection.execute(f"DROP TABLE {parsed.relation}")
        return rejects

    def _commit_rows(self, parsed: Parsed) -> None:
        selection = select_new(self._connection, self._store, parsed, self._margin_us)
        kept = self._without_withdrawn(parsed.table, selection)
        self._append(parsed.table, kept)
        self.result.duplicates += selection.duplicates
        self.result.withdrawn += selection.rows.num_rows - kept.num_rows

    def _without_withdrawn(self, table: Table, selection: Selection) -> pa.Table:
        rows = selection.rows
        if table not in RECORD_TABLES or rows.num_rows == 0:
            return rows
        self._connection.register("new_rows", rows)
        start_us = pa.compute.min(rows["event_at"]).value - self._margin_us
        deletes = between(self._store.files(DELETES.name), start_us, END_US)
        updates, superseding = replacing(table, between(self._store.files(table.name), start_us, END_US))
        statement = sql_template(__file__, "replay_kept").format(
            rows="new_rows",
            deletes=scan(DELETES, deletes),
            updates=scan(table, updates),
            superseding=superseding,
            collection=quote(table.collection or ""),
            gone=self._gone.relation(),
            purges="true" if purges(self._settings, table) else "false",
            margin_us=self._clocks_margin_us,
        )
        kept = self._connection.execute(statement).to_arrow_table().cast(table.schema)
        self._connection.unregister("new_rows")
        return kept

    def _append(self, table: Table, rows: pa.Table) -> None:
        if rows.num_rows == 0:
            return
        version = self._store.transaction_version(table.name, APPLICATION) + 1
        if self._store.append(table, rows, version, {"rows": rows.num_rows}, application=APPLICATION) is not None:
            self.result.rows_by_table[table.name] += rows.num_rows


def replay(
    settings: Settings,
    recording: Recording,
    place: Place,
    *,
    closes: bool,
    span_had: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Replayed:
    """Take `recording` into the lake. `progress` is called with the bytes done and all of them.

    With `closes`, the open gaps that lie within what the recording really holds are closed, or within `span_had`, which
    somebody vouches for. Raises RecordingError, LakeError, OSError; what was committed until then stays, and a second
    replay does the rest.
    """
    began, now = time.monotonic(), clock.now()
    store = Store(settings.lake_dir)
    coverage = Coverage(settings.gap_us)
    with exclusive(settings, "drain"):
        make_ready(settings, store)
    with connect(settings) as connection:
        prepare(connection)
        run = Replay(settings, store, connection)
        for piece, done_bytes in _pieces(recording, place, settings.max_frame_bytes, to_us(now)):
            with exclusive(settings, "drain"):
                run.commit(piece)
            for times in piece.times.values():
                coverage.add(times)
            if progress:
                progress(done_bytes, recording.size_bytes)
    result = run.result
    result.spans = coverage.spans()
    if closes:
        with exclusive(settings, "drain"):
            spans = [span_had] if span_had else result.spans
            result.closed = close_gaps(settings, store, spans, now, vouched=span_had is not None)
    result.seconds = time.monotonic() - began
    log.info(
        "replayed %d frames: %d new rows, %d duplicates, %d withdrawn, %d rejects, %d gaps closed, %.1f s",
        result.frames, result.rows_out, result.duplicates, result.withdrawn, result.rejects,
        len(result.closed), result.seconds,
    )  # fmt: skip
    return result


def _pieces(recording: Recording, place: Place, max_frame_bytes: int, now_us: int) -> Iterator[tuple[Piece, int]]:
    """The pieces of `recording`, each with how many of its bytes are done: it is read twice.

    First come its deletes and account events: which records of a deleted account may be stored is known only when all
    that says whether it came back is in the lake.
    """
    # The damage is met again behind the records that lie before it.
    with suppress(RecordingError):
        for piece in recording.pieces(place, max_frame_bytes, now_us, withdrawing=True):
            yield piece, piece.done_bytes // 2
    for piece in recording.pieces(place, max_frame_bytes, now_us, withdrawing=False):
        yield piece, (recording.size_bytes + piece.done_bytes) // 2
