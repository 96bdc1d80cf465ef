"""Replay: commit the rows of a recording that the lake lacks, and drop those that it has.

Each piece is compared with the stored rows around it. So you can repeat a replay, kill it, or run it beside a drain, and no
row is stored twice. A drain waits while a piece is committed, because it compares with the same rows. A replay has
transaction numbers of its own and leaves those of the drain alone.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from bluelake.buffer.chunks import ChunkEncoder
from bluelake.buffer.client import Entry
from bluelake.core import clock
from bluelake.core.clock import to_us
from bluelake.core.reasons import RejectReason
from bluelake.core.settings import Settings
from bluelake.lake.compaction import DeletedAccounts, purges
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
    replacements_of,
    select_new,
    select_new_rejects,
    select_new_replacements,
)
from bluelake.lake.errors import RecordingError
from bluelake.lake.locks import exclusive
from bluelake.lake.query import (
    END_US,
    between,
    connect,
    deletes_of,
    newer_versions,
    query,
    replacing_files,
    resets_of,
    scan,
)
from bluelake.lake.status import Gap
from bluelake.lake.tables import DELETES, RECORD_TABLES, REJECTS, REPLACEMENTS, Table
from repair.coverage import Coverage
from repair.gaps import close_gaps
from repair.recordings import EVER, HOST, Piece, Recording, recording_of, recording_of_raw
from repair.router import Router

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
APPLICATION = "bluelake-replay"
_CHUNK_EVENTS = 4096
# A recording may come from a host that was a day behind. Then its times are later, and its revs are the same.
MARGIN_US = 86_400_000_000
# A recording does not tell when a reject came. Rejects are few, so each is compared with all stored ones.
_ALL_US = 100 * 365 * 86_400_000_000


@dataclass
class Replayed:
    """Counts of one or several replays.

    `rows_by_table`: new rows. `duplicates`: rows that the lake had already. `withdrawn`: rows that a replay leaves out
    on purpose: a later delete covers them, their account is deleted, or they come far behind the record that supersedes
    them. `closed`: gaps that it closed, not those of which it left a part. `spans`: first and last time, microseconds
    since 1970, of each run of events without a pause of more than GAP_SECONDS.
    """

    frames: int = 0
    rows_by_table: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    withdrawn: int = 0
    closed: list[Gap] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rows_out(self) -> int:
        """New rows of events, without rejects and replacements."""
        return sum(rows for table, rows in self.rows_by_table.items() if table not in (REJECTS.name, REPLACEMENTS.name))

    @property
    def rejects(self) -> int:
        """New rejects."""
        return self.rows_by_table[REJECTS.name]

    def held(self, start_us: int, end_us: int) -> bool:
        """Whether one run of events begins by `start_us` and goes on to `end_us`."""
        return any(first <= start_us and last >= end_us for first, last in self.spans)

    def add(self, other: "Replayed") -> None:
        """Add the counts of another replay."""
        self.frames += other.frames
        self.rows_by_table.update(other.rows_by_table)
        self.duplicates += other.duplicates
        self.withdrawn += other.withdrawn
        self.closed += other.closed
        self.spans += other.spans
        self.seconds += other.seconds


class Replay:
    """Commits the pieces of one recording to the lake of `settings`."""

    def __init__(self, settings: Settings, store: Store, connection: duckdb.DuckDBPyConnection) -> None:
        self._settings = settings
        self._store = store
        self._connection = connection
        self._clocks_margin_us = settings.dedupe_margin_us
        self._deleted_accounts = DeletedAccounts(store, connection, self._clocks_margin_us)
        self._margin_us = max(MARGIN_US, self._clocks_margin_us)
        self.result = Replayed()

    def commit(self, piece: Piece) -> None:
        """Commit the new rows of one piece, a commit a table. Raises CommitError, OSError, duckdb.Error."""
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
        self._commit_replacements(replacements_of(rejects))
        if rejects:
            selection = select_new_rejects(self._connection, self._store, rejects, _ALL_US)
            self._append(REJECTS, selection.rows)
            self.result.duplicates += selection.duplicates
        self.result.frames += piece.count

    def _commit_queue(self, queue: str, lines: Lines) -> list[Reject]:
        """Commit the new rows of one queue. Returns the frames that cannot be rows."""
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
        storable = self._storable(parsed.table, selection)
        self._append(parsed.table, storable)
        self._commit_replacements(selection.replacements)
        self.result.duplicates += selection.duplicates
        self.result.withdrawn += selection.rows.num_rows - storable.num_rows

    def _commit_replacements(self, found: pa.Table | None) -> None:
        if found is not None and found.num_rows:
            selection = select_new_replacements(self._connection, self._store, [found], self._margin_us)
            self._append(REPLACEMENTS, selection.rows)

    def _storable(self, table: Table, selection: Selection) -> pa.Table:
        rows = selection.rows
        if table not in RECORD_TABLES or rows.num_rows == 0:
            return rows
        self._connection.register("new_rows", rows)
        start_us = pa.compute.min(rows["event_at"]).value - self._margin_us
        deletes = between(self._store.files(DELETES.name), start_us, END_US)
        replacements = between(self._store.files(REPLACEMENTS.name), start_us, END_US)
        stored = scan(table, replacing_files(table, between(self._store.files(table.name), start_us, END_US)))
        newer = newer_versions(table, f"(FROM {stored} UNION ALL FROM new_rows)", replacements)
        if selection.replacements is not None:
            self._connection.register("new_replacements", selection.replacements)
            newer = f"(FROM {newer} UNION ALL SELECT did, rkey, rev, event_at FROM new_replacements)"
        statement = query(
            __file__,
            "storable_rows",
            rows="new_rows",
            deletes=deletes_of(table, deletes),
            resets=resets_of(deletes),
            newer=newer,
            deleted_accounts=self._deleted_accounts.relation(),
        )
        parameters = {"purges": purges(self._settings, table), "margin_us": self._clocks_margin_us}
        storable = self._connection.execute(statement, parameters).to_arrow_table().cast(table.schema)
        self._connection.unregister("new_rows")
        return storable

    def _append(self, table: Table, rows: pa.Table) -> None:
        if rows.num_rows == 0:
            return
        version = self._store.transaction_version(table.name, APPLICATION) + 1
        committed = self._store.append(table, rows, version, {"rows": rows.num_rows}, application=APPLICATION)
        # A replacement is no event: it says something about one.
        if committed is not None and table is not REPLACEMENTS:
            self.result.rows_by_table[table.name] += rows.num_rows


def replay_file(
    settings: Settings,
    path: Path,
    *,
    start_us: int | None = None,
    end_us: int | None = None,
    closes: bool = True,
    progress: Progress | None = None,
) -> Replayed:
    """Replay the recording in the file `path`: frames of either wire, NDJSON, plain or zstd.

    Only events from `start_us` (inclusive) to `end_us` (exclusive) are taken, microseconds since 1970; None is no bound.
    With `closes` the replay closes the gaps in the spans that the file holds. Name both bounds only for a file that is
    complete between them: then they are the span that closes gaps, whatever pauses the file has.
    `progress` is called with the bytes done and the bytes in all. Raises RecordingError, LakeError, OSError.
    """
    span = _span(start_us, end_us)
    vouched = span if start_us is not None and end_us is not None else None
    return replay_recording(
        settings, recording_of(path, span), Router(settings), closes=closes, vouched_span=vouched, progress=progress
    )


def replay_raw(
    settings: Settings, *, start_us: int | None = None, end_us: int | None = None, progress: Progress | None = None
) -> Replayed:
    """Replay the drained chunks under `raw/` of a span, for example after a parser was mended. It closes no gap.

    The bounds, `progress` and the errors are those of `replay_file`.
    """
    recording = recording_of_raw(settings.raw_dir, _span(start_us, end_us))
    return replay_recording(settings, recording, Router(settings), closes=False, progress=progress)


def replay_recording(
    settings: Settings,
    recording: Recording,
    router: Router,
    *,
    closes: bool,
    vouched_span: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Replayed:
    """Commit the rows of `recording` that the lake lacks. `progress` is called with the bytes done and the bytes in all.

    With `closes` it closes the open gaps in the spans that the recording holds, or in `vouched_span`, a span that the caller
    vouches for. Raises RecordingError, LakeError, OSError. The pieces committed before an error stay, and a second replay
    commits the rest.
    """
    began, now = time.monotonic(), clock.now()
    store = Store(settings.lake_dir)
    coverage = Coverage(settings.gap_us)
    with exclusive(settings, "drain"):
        make_ready(settings, store)
    with connect(settings) as connection:
        prepare(connection)
        run = Replay(settings, store, connection)
        for piece, done_bytes in _pieces(recording, router, settings.max_frame_bytes, to_us(now)):
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
            spans = [vouched_span] if vouched_span else result.spans
            result.closed = close_gaps(settings, store, spans, now, vouched=vouched_span is not None)
    result.seconds = time.monotonic() - began
    log.info(
        "replayed %d frames: %d new rows, %d duplicates, %d withdrawn, %d rejects, %d gaps closed, %.1f s",
        result.frames, result.rows_out, result.duplicates, result.withdrawn, result.rejects,
        len(result.closed), result.seconds,
    )  # fmt: skip
    return result


def _span(start_us: int | None, end_us: int | None) -> tuple[int, int]:
    return (EVER[0] if start_us is None else start_us, EVER[1] if end_us is None else end_us)


def _pieces(recording: Recording, router: Router, max_frame_bytes: int, now_us: int) -> Iterator[tuple[Piece, int]]:
    """The pieces of `recording`, each with the bytes done. The recording is read twice.

    The first pass takes deletes and account events. Only when all of them are in the lake is it known whether a deleted
    account came back, and so which of its records may be stored.
    """
    # The second pass meets the damage again, behind the records that lie before it.
    with suppress(RecordingError):
        for piece in recording.pieces(router, max_frame_bytes, now_us, deletions=True):
            yield piece, piece.done_bytes // 2
    for piece in recording.pieces(router, max_frame_bytes, now_us, deletions=False):
        yield piece, (recording.size_bytes + piece.done_bytes) // 2
