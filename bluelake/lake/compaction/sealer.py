"""The seal rewrites an hour that has passed: per table one file, sorted by (did, rkey).

It drops duplicates and purges deleted rows. Authors with very many posts in the hour get a file of their own. Each rewrite is one
commit, to which a drain beside it loses no row (`Store.replace_files`). Readers keep the files that they opened until a
vacuum. If a seal is killed, the next one seals what is left.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa
from pyarrow import parquet

from bluelake.core.clock import to_us
from bluelake.core.crash import crash_point
from bluelake.core.errors import first_line
from bluelake.core.settings import Settings, require_home
from bluelake.core.status import failure_reported, report
from bluelake.lake.compaction.purge import DeletedAccounts, purges, unpurged
from bluelake.lake.delta import (
    Commit,
    DataFile,
    Store,
    durable_versions,
    open_hours,
    read_sealed,
    remove,
    write_hour,
    write_sealed,
)
from bluelake.lake.errors import CommitError, SealError
from bluelake.lake.hours import Hour
from bluelake.lake.locks import exclusive
from bluelake.lake.query import connect, keyed, query, quote, scan
from bluelake.lake.tables import GAPS, HOUR_PARTITION, TABLES, Table

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

# What keeps one hour from being rewritten, and not the others: its size, a file of it that is broken, a disk that is full.
HOUR_ERRORS = (duckdb.Error, pa.ArrowException, CommitError, OSError)
_NAMED = 5
OTHER_AUTHORS = "other"
# A DID is the name of a folder, in which each of some characters takes three.
LONGEST_FOLDER_DID = 80
_BATCH_ROWS = 50_000
_ENTITY = ("did", "rkey", "rev")
# Rows that are larger than this on the average, and fill more than 1/8 of DuckDB's memory, are sorted by pieces of 1/16.
LARGE_ROW_BYTES = 2048
_MEMORY_SHARE = 16


# Of a relation of rows, a relation of those that are written.
Keep = Callable[[str], str]


def whole(rows: str) -> str:
    """`rows`: nothing is left out."""
    return rows


@dataclass(frozen=True)
class SealedHour:
    """One hour of one table, rewritten: rows and bytes before and after."""

    table: str
    hour: Hour
    rows_before: int
    rows: int
    bytes_before: int
    size_bytes: int
    files: int
    seconds: float


class Sealer:
    """Rewrites hours of one lake, one after the other, on one DuckDB connection."""

    def __init__(self, settings: Settings, store: Store, connection: duckdb.DuckDBPyConnection) -> None:
        self._settings = settings
        self._store = store
        self._connection = connection
        self._margin_us = settings.dedupe_margin_us
        self._deleted_accounts = DeletedAccounts(store, connection, self._margin_us)

    def seal(self, table: Table, hour: Hour) -> SealedHour | None:
        """Rewrite `hour` of `table` without what is purged, and note durably that it is sealed.

        Returns None where another process has rewritten it meanwhile. Raises CommitError, OSError, duckdb.Error.
        """
        keep: Keep = whole
        if purges(self._settings, table):
            deleted = self._deleted_accounts.relation()

            def keep(rows: str) -> str:
                return unpurged(rows, self._store, table, hour.start_us, self._margin_us, deleted)

        files = [file for file in self._store.files(table.name) if file.hour == hour]
        return self.rewrite(table, hour, keep, files)

    def rewrite(self, table: Table, hour: Hour, keep: Keep, replaced: Sequence[DataFile]) -> SealedHour | None:
        """As `seal`, of the files `replaced`, with those of their rows that `keep` takes."""
        started = time.perf_counter()
        root = self._store.root / table.name
        rows = sum(file.rows for file in replaced)
        batches = self._rows(table, replaced, keep)
        written = write_hour(root, table, hour, batches, self._count_authors(table, replaced), rows)
        crash_point("before-seal-commit")
        commit = self._store.replace_files(table, replaced, written)
        if commit is None:
            log.warning("%s %s: rewritten by another process meanwhile", table.name, hour)
            remove(root, written)
            return None
        crash_point("after-seal-commit")
        self._note(table, hour, commit)
        return SealedHour(
            table.name,
            hour,
            rows,
            commit.rows,
            sum(file.size_bytes for file in replaced),
            commit.size_bytes,
            len(commit.paths),
            time.perf_counter() - started,
        )

    def _note(self, table: Table, hour: Hour, commit: Commit) -> None:
        folder = self._store.root / table.name
        sealed = read_sealed(folder)
        sealed.version = max(sealed.version, commit.version)
        sealed.hours[hour] = commit.paths
        if not commit.paths:
            # Purged whole: there is no file that could be sealed.
            del sealed.hours[hour]
        write_sealed(folder, sealed)

    def _rows(self, table: Table, files: Sequence[DataFile], keep: Keep) -> Iterator[pa.RecordBatch]:
        """The rows of `files`, those of an hour, as they are to be written; read as they are taken."""
        rows = scan(table, files)
        if "user_did" in table.partition:
            rows = f"(SELECT * REPLACE ({self._user_did(rows)} AS user_did) FROM {rows})"
        unique = self._unique(table, rows)
        schema = pa.schema([field for field in table.schema if field.name not in HOUR_PARTITION])
        columns = ", ".join(f'"{name}"' for name in schema.names)
        cursor = self._connection.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        for piece, parameters in self._pieces(table, files, rows):
            sorted_ = query(__file__, _order(table), rows=f"(SELECT {columns} FROM {keep(unique(piece))})")
            for batch in cursor.execute(sorted_, parameters).to_arrow_reader(_BATCH_ROWS):
                yield batch.cast(schema)

    def _pieces(self, table: Table, files: Sequence[DataFile], rows: str) -> Iterator[tuple[str, dict[str, int]]]:
        """Relations, with their parameters, that cut `rows` into pieces which fit the memory, in the order of the file; `rows`
        itself for an hour of which nothing is large.

        DuckDB takes 2048 rows at a time, however large they are, and each of its threads does: large ones are left to one.
        """
        memory = self._settings.duckdb_memory_bytes
        size, count = _decoded_bytes(files), sum(file.rows for file in files)
        if size <= max(memory * 2 // _MEMORY_SHARE, LARGE_ROW_BYTES * count):
            yield rows, {}
            return
        self._connection.execute("SET threads = 1")
        try:
            yield from self._cut(table, rows, memory // _MEMORY_SHARE)
        finally:
            self._connection.execute(f"SET threads = {self._settings.duckdb_threads}")

    def _cut(self, table: Table, rows: str, size_bytes: int) -> Iterator[tuple[str, dict[str, int]]]:
        # Equal keys stay together, so that duplicates still meet.
        author = ["user_did"] * ("user_did" in table.partition)
        key = [*author, *([name for name in table.column_names if name in _ENTITY] or ["event_at"])]
        sized = [name for name, kind in table.columns if not pa.types.is_integer(kind)]
        size = " + ".join(f'coalesce(strlen("{name}"::VARCHAR), 0)' for name in sized)
        keyed_rows = keyed(rows, key)
        pieces = query(__file__, "pieces", rows=f"(SELECT key, {size} AS size FROM {keyed_rows})")
        # A table of the database and no temporary one, since another connection reads it.
        self._connection.execute(f"CREATE OR REPLACE TABLE pieces_now AS {pieces}", {"bytes": size_bytes})
        found = self._connection.execute("SELECT number FROM pieces_now ORDER BY number").fetchall()
        log.info("%s: large rows, sorted in %d pieces", table.name, len(found))
        for (number,) in found:
            yield f"({query(__file__, 'piece', rows=keyed_rows, pieces='pieces_now')})", {"number": number}

    def _user_did(self, rows: str) -> str:
        """The partition of a post, an expression: its author where that one has very many in the hour."""
        statement = query(__file__, "heavy_authors", rows=rows)
        parameters = {"longest": LONGEST_FOLDER_DID, "posts": self._settings.heavy_author_posts}
        heavy = [did for (did,) in self._connection.execute(statement, parameters).fetchall()]
        if not heavy:
            return quote(OTHER_AUTHORS)
        return f"CASE WHEN did IN ({', '.join(map(quote, heavy))}) THEN did ELSE {quote(OTHER_AUTHORS)} END"

    def _unique(self, table: Table, rows: str) -> Keep:
        """What takes one of equal rows; `whole` where `rows` has no equal ones, which is cheap to find out."""
        # A repair of a gap is a row that differs from it only there.
        key = (*table.key, "repaired_at") if table is GAPS else table.key
        found = self._connection.execute(query(__file__, "has_no_duplicates", rows=keyed(rows, key))).fetchone()
        if found is not None and found[0]:
            return whole
        return lambda piece: f"({query(__file__, 'unique_rows', rows=keyed(piece, key))})"

    def _count_authors(self, table: Table, files: Sequence[DataFile]) -> int:
        if "did" not in table.column_names:
            return 0
        found = self._connection.execute(f"SELECT approx_count_distinct(did) FROM {scan(table, files)}").fetchone()
        return int(found[0]) if found else 0


def seal(settings: Settings, now: datetime, progress: Progress | None = None) -> list[SealedHour]:
    """Seal every hour of every table that ended SEAL_DELAY_MINUTES or longer before `now`, oldest first, as far as
    HEAVY_MAX_MINUTES go.

    `progress` is called with the hours done and the hours to do. A seal skips an hour that it cannot rewrite, and
    seals the others. Then it raises SealError with the names of those hours.
    Raises BluelakeError, OSError, DeltaError, duckdb.Error.
    """
    require_home(settings, create=True)
    with failure_reported(settings, "seal"), exclusive(settings, "seal"):
        done, left = _seal(settings, now, progress or (lambda done, total: None))
    rows = sum(hour.rows for hour in done)
    message = f"{len(done)} hours of tables sealed, {rows:,} rows" + (f"; {left} wait for the next run" if left else "")
    report(settings, "seal", ok=True, state="done", message=message)
    return done


def _seal(settings: Settings, now: datetime, progress: Progress) -> tuple[list[SealedHour], int]:
    """Returns what was sealed, and how many hours of tables are left for lack of time."""
    end = time.monotonic() + settings.heavy_max_minutes * 60
    store = Store(settings.lake_dir)
    store.recover(durable_versions(settings))
    waiting = waiting_hours(settings, store, now)
    done: list[SealedHour] = []
    failed: dict[str, Exception] = {}
    left = 0
    connection = connect(settings)
    try:
        sealer = Sealer(settings, store, connection)
        for number, (hour, name, _) in enumerate(waiting):
            if number and time.monotonic() >= end:
                left = len(waiting) - number
                log.info("%d hours of tables are left to the next seal", left)
                break
            progress(len(done), len(waiting))
            try:
                sealed = sealer.seal(TABLES[name], hour)
            except HOUR_ERRORS as error:
                log.error("%s %s cannot be sealed: %s", name, hour, first_line(error))
                failed[f"{name} {hour}"] = error
                continue
            if sealed is not None:
                done.append(sealed)
                _log_hour(sealed)
    finally:
        connection.close()
    progress(len(done), len(waiting))
    if failed:
        raise failure("sealed", failed)
    return done, left


def _order(table: Table) -> str:
    """The statement that puts rows of `table` into the order of a sealed file."""
    if "user_did" in table.partition:
        return "seal_posts"
    if "rkey" in table.column_names:
        return "seal_records"
    return "seal_accounts" if "did" in table.column_names else "seal_notices"


def _decoded_bytes(files: Sequence[DataFile]) -> int:
    """How large the rows of `files` are as Parquet keeps them, before it compresses them."""
    metadata = [parquet.read_metadata(file.path) for file in files]
    return sum(part.row_group(number).total_byte_size for part in metadata for number in range(part.num_row_groups))


def failure(what: str, failed: Mapping[str, Exception]) -> SealError:
    """The error that says which hours could not be `what`, and why."""
    named = "; ".join(f"{hour}: {first_line(error)}" for hour, error in list(failed.items())[:_NAMED])
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return SealError(f"{len(failed)} hours of tables cannot be {what}: {named}{more}")


class WaitingHour(NamedTuple):
    """An hour of a table that is to be sealed. `since_us`: when it could first have been, microseconds since 1970."""

    hour: Hour
    table: str
    since_us: int


def waiting_hours(settings: Settings, store: Store, now: datetime) -> list[WaitingHour]:
    """What there is to seal at `now`, oldest hour first."""
    delay_us = settings.seal_delay_us
    return sorted(
        WaitingHour(hour, name, max(hour.end_us + delay_us, came_us))
        for name in TABLES
        for hour, came_us in open_hours(store, name, to_us(now) - delay_us).items()
    )


def _log_hour(hour: SealedHour) -> None:
    log.info(
        "sealed %s %s: %d rows of %d, %.1f MB of %.1f MB, %d files, %.2f s",
        hour.table,
        hour.hour,
        hour.rows,
        hour.rows_before,
        hour.size_bytes / 1e6,
        hour.bytes_before / 1e6,
        hour.files,
        hour.seconds,
    )
