"""The drain: everything in the buffer up to one flush becomes one commit a table, exactly once.

The order of the steps is what makes it exact; docs/invariants.md says why each stands where it does:
offered in the watermark, entries read and checked, raw files and a commit a table, the batch's row, committed in the
watermark, trim.
"""

import importlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial

import duckdb
import pyarrow as pa

from bluelake.buffer.client import Buffer, Entry, Flush
from bluelake.core import clock
from bluelake.core.crash import crash_point
from bluelake.core.errors import CorruptStateError, first_line
from bluelake.core.reasons import RejectReason
from bluelake.core.settings import Settings, require_home
from bluelake.core.status import failure_reported, report
from bluelake.core.watermark import Watermark, cursors_from_json, read_watermark, write_watermark
from bluelake.lake.delta import Store, make_ready
from bluelake.lake.drain.batch import Batch
from bluelake.lake.drain.dedupe import Selection, select_new
from bluelake.lake.drain.lines import read_lines
from bluelake.lake.drain.parser import PARSED_QUEUES, Parsed, Reject, parse, prepare, reject_of
from bluelake.lake.drain.raw import keep_raw, remove_old_raw
from bluelake.lake.drain.rejects import REJECTS_MARGIN_US, read_rejects, select_new_rejects
from bluelake.lake.drain.replacements import replacements_of, select_new_replacements
from bluelake.lake.drain.source import Source
from bluelake.lake.drain.unwritable import DATA_ERRORS, find_unwritable
from bluelake.lake.drain.writer import Writer
from bluelake.lake.errors import ParseError, UnwritableRowsError
from bluelake.lake.locks import exclusive
from bluelake.lake.query import all_rows, connect
from bluelake.lake.tables import BATCHES, EVENT_TABLES, GAPS, REJECTS, REPLACEMENTS, TABLES, Table

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


class Drain:
    """Takes batches from the buffer to the lake."""

    def __init__(self, settings: Settings, buffer: Buffer, store: Store, progress: Progress | None = None) -> None:
        self._settings = settings
        self._buffer = buffer
        self._source = Source(buffer, settings)
        self._store = store
        self._progress = progress or (lambda done, total: None)
        self._margin_us = settings.dedupe_margin_us

    def run(self) -> list[Batch]:
        """Drain until the buffer holds nothing that was there at the start. Returns a batch a commit."""
        # DuckDB imports this when it is first handed a table, and it takes a third of a second: meanwhile.
        threading.Thread(target=importlib.import_module, args=("pyarrow.dataset",)).start()
        with exclusive(self._settings, "drain"):
            make_ready(self._settings, self._store)
            remove_old_raw(self._settings.raw_dir, self._settings.raw_keep_days, clock.now())
            target = self._buffer.state().flush
            batches = []
            while (batch := self._drain_once(target)) is not None:
                batches.append(batch)
            return batches

    def _drain_once(self, target: int) -> Batch | None:
        started, began = clock.now(), time.perf_counter()
        watermark = self._recover_watermark()
        low = watermark.committed
        # A run that was killed after its watermark and before its trim left these.
        self._buffer.trim(low)
        least = self._begun(low)
        flushes = self._source.take(low, target, least)
        if not flushes:
            return None
        last = flushes[-1]
        offered = max(watermark.offered, last.number)
        crash_point("before-offered")
        write_watermark(self._settings.watermark_path, replace(watermark, offered=offered))
        crash_point("after-offered")
        entries = self._source.read(flushes, least)
        last = flushes[-1]
        batch = self._commit(started, flushes, entries, low)
        batch.duration_seconds = time.perf_counter() - began
        crash_point("after-fsync-before-batches-row")
        # The row says that the tables are committed: it carries the version up to which each is durable.
        self._store.append(BATCHES, batch.row(last), last.number, {"versions": self._store.durable})
        crash_point("after-batches-row-before-watermark")
        write_watermark(
            self._settings.watermark_path, Watermark(offered, last.number, last.cursors, self._store.durable)
        )
        crash_point("after-watermark-before-trim")
        self._buffer.trim(last.number)
        crash_point("after-trim")
        batch.log()
        return batch

    def _recover_watermark(self) -> Watermark:
        """The watermark, brought up to the last batch if a run was killed between that batch's row and the watermark."""
        path = self._settings.watermark_path
        watermark = read_watermark(path)
        newest = self._store.committed_flush(BATCHES.name)
        if newest < watermark.committed:
            raise CorruptStateError(
                f"{path} says flush {watermark.committed} is committed, and the lake ends at {newest}: the lake is older, as "
                "after a restore. Delete that file, then run `bluelake buffer reset --yes` and `bluelake drain` "
                "(docs/operations.md)"
            )
        # A killed run may have committed some tables further than the last batch: their numbers are used up as well.
        offered = max(watermark.offered, *(self._store.committed_flush(name) for name in TABLES))
        if newest == watermark.committed:
            if offered > watermark.offered:
                watermark = replace(watermark, offered=offered)
                write_watermark(path, watermark)
            return watermark
        with _connection(self._settings) as connection:
            row = connection.execute(
                f"SELECT cursors FROM {all_rows(self._store, BATCHES.name)} WHERE last_flush = ?", [newest]
            ).fetchone()
        if row is None:
            raise CorruptStateError(f"batches: flush {newest} is committed and has no row; see docs/operations.md")
        recovered = Watermark(offered, newest, cursors_from_json(row[0]), self._store.durable)
        log.warning("the watermark stood at flush %d, the lake at %d: recovered", watermark.committed, newest)
        write_watermark(path, recovered)
        return recovered

    def _begun(self, low: int) -> int:
        """The flush that the next batch must reach: a killed run committed a table up to there without some frames, which it
        numbered from `low` on."""
        begun = [name for name in (table.name for table in EVENT_TABLES) if self._store.committed_flush(name) > low]
        commits = [counts for name in begun for counts in self._store.commit_counts(name, low)]
        return max((int(str(counts["last_flush"])) for counts in commits if counts.get("unwritable")), default=low)

    def _commit(self, started: datetime, flushes: list[Flush], entries: dict[str, list[Entry]], low: int) -> Batch:
        """Commit the entries table by table; a table that cannot be written as it is, without the rows that are at fault."""
        events = sum(sum(flush.counts.values()) for flush in flushes)
        careful: set[str] = set()
        while True:
            batch = Batch(started, flushes[0].number, flushes[-1].number, events)
            tables = (*EVENT_TABLES, REPLACEMENTS, REJECTS)
            committed = {table.name: max(self._store.committed_flush(table.name), low) for table in tables}
            self._recover_counts(batch, committed, low)
            try:
                self._commit_tables(batch, entries, committed, careful)
            except UnwritableRowsError as error:
                if error.table in careful:
                    raise error.cause from None
                log.warning(
                    "%s cannot be written as it is, looking for the rows at fault: %s", error.table, error.cause
                )
                careful.add(error.table)
            else:
                return batch

    def _recover_counts(self, batch: Batch, committed: dict[str, int], watermark: int) -> None:
        """Take over the counts of tables that are committed already, by a killed run or an attempt that was given up.

        A commit that reaches further than this batch, of a run that took more at once, counts in the batch that gets there.
        """
        for name, flush in committed.items():
            if flush > watermark:
                self._store.make_durable(name)
                for counts in self._store.commit_counts(name, watermark):
                    if int(str(counts["last_flush"])) <= batch.last_flush:
                        batch.add(name, counts)

    def _commit_tables(
        self, batch: Batch, entries: dict[str, list[Entry]], committed: dict[str, int], careful: set[str]
    ) -> None:
        """Parse and commit queue by queue: while one is parsed, the next is decompressed and the last is written."""
        rejects = [
            reject for reject in read_rejects(entries.get(REJECTS.name, [])) if reject.flush > committed[REJECTS.name]
        ]
        replacements: list[pa.Table] = []
        queues = [queue for queue in PARSED_QUEUES if queue in entries]
        threads = self._settings.duckdb_threads
        done = 0
        with _connection(self._settings) as connection, Writer() as writer, ThreadPoolExecutor(1) as reader:
            upcoming = [reader.submit(read_lines, entries[queue], threads) for queue in queues[:1]]
            for name, found in entries.items():
                writer.submit(partial(keep_raw, self._settings.raw_dir, name, found, batch.started))
            for number, queue in enumerate(queues):
                lines = upcoming.pop().result()
                upcoming = [reader.submit(read_lines, entries[name], threads) for name in queues[number + 1 :][:1]]
                batch.bytes_raw += lines.size_bytes
                parsed = parse(
                    connection,
                    queue,
                    lines,
                    rows_from=lines.first_after(committed[queue]),
                    rejects_from=lines.first_after(committed[REJECTS.name]),
                    # A killed run may have committed these rows and not what they replace.
                    compared_from=lines.first_after(committed[REPLACEMENTS.name]),
                )
                rejects += parsed.rejects
                if known := batch.unwritable[queue]:
                    connection.execute(f"DELETE FROM {parsed.relation} WHERE ordinal IN (SELECT unnest(?))", [known])
                unwritable = self._isolate(connection, parsed) if queue in careful else []
                rejects += [
                    reject_of(lines, queue, ordinal, RejectReason.UNWRITABLE)
                    for ordinal in sorted({*unwritable, *batch.unwritable[queue]})
                    if ordinal >= lines.first_after(committed[REJECTS.name])
                ]
                table, selection, counts = self._select(connection, parsed, unwritable)
                if selection.replacements is not None:
                    replacements.append(selection.replacements)
                self._write(writer, batch, table, selection, counts)
                done += lines.count
                self._progress(done, batch.events_in)
            # Before the rejects: once these are committed, so is what they replace.
            refused = rejects
            if REPLACEMENTS.name in careful:
                refused = [reject for reject in rejects if reject.reason is not RejectReason.UNWRITABLE]
            self._write_replacements(connection, writer, batch, [*replacements, replacements_of(refused)])
            if rejects:
                self._write(writer, batch, *self._select_rejects(connection, rejects))
            writer.finish()

    def _isolate(self, connection: duckdb.DuckDBPyConnection, parsed: Parsed) -> list[int]:
        """Take the rows that cannot be written out of `parsed`. Returns their ordinals."""
        ordinals = find_unwritable(connection, self._settings, self._store, parsed, self._margin_us)
        connection.execute(f"DELETE FROM {parsed.relation} WHERE ordinal IN (SELECT unnest(?))", [ordinals])
        return ordinals

    def _select(
        self, connection: duckdb.DuckDBPyConnection, parsed: Parsed, unwritable: list[int]
    ) -> tuple[Table, Selection, dict[str, object]]:
        try:
            selection = select_new(connection, self._store, parsed, self._margin_us)
        except DATA_ERRORS as error:
            raise UnwritableRowsError(parsed.table.name, error) from error
        connection.execute(f"DROP TABLE {parsed.relation}")
        newest = None
        if selection.rows.num_rows and parsed.table is not GAPS:
            newest = pa.compute.max(selection.rows["event_at"]).value
        counts = {"duplicates": selection.duplicates, "anomalies": parsed.anomalies, "newest_event_us": newest}
        # With the commit, so that a run which is killed before it commits the rejects does not forget them.
        return parsed.table, selection, {**counts, "unwritable": unwritable} if unwritable else counts

    def _write_replacements(
        self, connection: duckdb.DuckDBPyConnection, writer: Writer, batch: Batch, found: list[pa.Table]
    ) -> None:
        if any(rows.num_rows for rows in found):
            selection = select_new_replacements(connection, self._store, found, self._margin_us)
            self._write(writer, batch, REPLACEMENTS, selection, {})

    def _select_rejects(
        self, connection: duckdb.DuckDBPyConnection, rejects: list[Reject]
    ) -> tuple[Table, Selection, dict[str, object]]:
        selection = select_new_rejects(connection, self._store, rejects, REJECTS_MARGIN_US)
        # All of them, not only those that are new: a host that sends one frame of garbage a thousand times sends it a
        # thousand times.
        return REJECTS, selection, {"rejects_by_reason": Counter(reject.reason for reject in rejects)}

    def _write(
        self, writer: Writer, batch: Batch, table: Table, selection: Selection, counts: dict[str, object]
    ) -> None:
        counts = {**counts, "rows": selection.rows.num_rows}

        def commit() -> None:
            if selection.rows.num_rows == 0:
                batch.add(table.name, counts)
                return
            try:
                written = self._store.append(table, selection.rows, batch.last_flush, counts)
            except DATA_ERRORS as error:
                raise UnwritableRowsError(table.name, error) from error
            if written is not None:
                batch.add(table.name, {**counts, "size_bytes": written.size_bytes})
                crash_point("between-table-commits")

        writer.submit(commit)


@contextmanager
def _connection(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = connect(settings)
    try:
        prepare(connection)
        yield connection
    finally:
        connection.close()


def drain(settings: Settings, progress: Progress | None = None) -> list[Batch]:
    """Drain the buffer into the lake of `settings`. Returns a batch a commit, none for an empty buffer.

    `progress` is called with the events done and the events of the batch. Raises BluelakeError, OSError; whatever it
    raises, what was in the buffer still is, or is in the lake.
    """
    require_home(settings, create=True)
    with failure_reported(settings, "drain"), closing(Buffer(settings.redis_url)) as buffer:
        try:
            batches = Drain(settings, buffer, Store(settings.lake_dir), progress).run()
        except duckdb.Error as error:
            raise ParseError(f"DuckDB cannot work on the batch: {first_line(error)}") from error
    events = sum(batch.events_in for batch in batches)
    report(settings, "drain", ok=True, state="done", message=f"{events} events in {len(batches)} batches")
    return batches
