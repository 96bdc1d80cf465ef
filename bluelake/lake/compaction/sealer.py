"""The seal: an hour that has passed is rewritten once a table, into one file, sorted by (did, rkey).

Duplicates and purged rows fall out; authors with very many posts in the hour get a file of their own. Each rewrite is one
commit that a drain beside it cannot lose a row to (`Store.replace_files`), and readers keep the files that they opened
until a vacuum. Killed anywhere, the next run seals what is not sealed yet.
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
from bluelake.lake.compaction.purge import GoneAccounts, kept, purges
from bluelake.lake.delta import (
    Commit,
    DataFile,
    Store,
    confirmed_versions,
    open_hours,
    read_sealed,
    remove,
    write_hour,
    write_sealed,
)
from bluelake.lake.errors import CommitError, SealError
from bluelake.lake.hours import Hour
from bluelake.lake.locks import exclusive
from bluelake.lake.query import connect, quote, scan, sql_template
from bluelake.lake.tables import GAPS, TABLES, Table

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

# What keeps one hour from being rewritten, and not the others: its size, a file of it that is broken, a disk that is full.
HOUR_ERRORS = (duckdb.Error, pa.ArrowException, CommitError, OSError)
_NAMED = 5
OTHER_AUTHORS = "other"
# A DID is the name of a folder, in which each of some characters takes three.
LONGEST_FOLDER_DID = 80
_BATCH_ROWS = 50_000
_SORTED_BY = ("did", "rkey", "rev", "event_at")
_ENTITY = ("did", "rkey", "rev")
# Rows that are larger than this on the average, and fill more than 1/8 of DuckDB's memory, are sorted by pieces of 1/16.
LARGE_ROW_BYTES = 2048
_MEMORY_SHARE = 16


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
        self._gone = GoneAccounts(store, connection, self._margin_us)

    def seal(self, table: Table, hour: Hour) -> SealedHour | None:
        """Rewrite `hour` of `table` without what is purged, and note durably that it is sealed.

        Returns None where another process has rewritten it meanwhile. Raises CommitError, OSError, duckdb.Error.
        """
        condition = ""
        if purges(self._settings, table):
            condition = kept(self._store, table, hour.start_us, self._margin_us, self._gone.relation())
        files = [file for file in self._store.files(table.name) if file.hour == hour]
        return self.rewrite(table, hour, condition, files)

    def rewrite(self, table: Table, hour: Hour, condition: str, replaced: Sequence[DataFile]) -> SealedHour | None:
        """As `seal`, of the files `replaced`, keeping their rows `r` that meet `condition`, SQL that follows a WHERE; empty
        for all of them."""
        started = time.perf_counter()
        root = self._store.root / table.name
        rows = sum(file.rows for file in replaced)
        batches = self._rows(table, replaced, condition)
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

    def _rows(self, table: Table, files: Sequence[DataFile], condition: str) -> Iterator[pa.RecordBatch]:
        """The rows of `files`, those of an hour, as they are to be written; read as they are taken."""
        source = scan(table, files)
        by_author = "user_did" in table.partition
        user_did = self._user_did(source) if by_author else ""
        names = [*table.column_names, *(["user_did"] if by_author else [])]
        schema = pa.schema([table.schema.field(name) for name in names])
        once = self._once(table, source)
        cursor = self._connection.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        for piece in self._pieces(table, files, user_did):
            statement = sql_template(__file__, "seal_hour").format(
                columns=", ".join(f'r."{name}"' for name in table.column_names),
                user_did=f", {user_did} AS user_did" if by_author else "",
                rows=f"(SELECT * FROM {source} AS r WHERE {piece})" if piece else source,
                once=once,
                kept=condition,
                order=", ".join(
                    ["user_did"] * by_author + [f'r."{name}"' for name in _SORTED_BY if name in table.column_names]
                ),
            )
            for batch in cursor.execute(statement).to_arrow_reader(_BATCH_ROWS):
                yield batch.cast(schema)

    def _pieces(self, table: Table, files: Sequence[DataFile], user_did: str) -> Iterator[str]:
        """Conditions on a row `r` that cut an hour into pieces which fit the memory, in the order in which they are written;
        one that is empty for an hour of which nothing is large.

        DuckDB takes 2048 rows at a time, however large they are, and each of its threads does: large ones are left to one.
        """
        memory = self._settings.duckdb_memory_bytes
        size, rows = _decoded_bytes(files), sum(file.rows for file in files)
        if size <= max(memory * 2 // _MEMORY_SHARE, LARGE_ROW_BYTES * rows):
            yield ""
            return
        self._connection.execute("SET threads = 1")
        try:
            yield from self._cut(table, scan(table, files), user_did, memory // _MEMORY_SHARE)
        finally:
            self._connection.execute(f"SET threads = {self._settings.duckdb_threads}")

    def _cut(self, table: Table, source: str, user_did: str, size_bytes: int) -> Iterator[str]:
        # Equal keys stay together, so that what came twice still falls out.
        names = [name for name in table.column_names if name in _ENTITY] or ["event_at"]
        columns = [user_did] * bool(user_did) + [f'r."{name}"' for name in names]
        key = f"{{{', '.join(f'k{number}: {column}' for number, column in enumerate(columns))}}}"
        sized = [name for name, kind in table.columns if not pa.types.is_integer(kind)]
        statement = sql_template(__file__, "seal_pieces").format(
            key=key,
            size=" + ".join(f'coalesce(strlen(r."{name}"::VARCHAR), 0)' for name in sized),
            rows=source,
            bytes=size_bytes,
        )
        self._connection.execute(statement)
        pieces = [n for (n,) in self._connection.execute("SELECT number FROM seal_pieces ORDER BY number").fetchall()]
        log.info("%s: large rows, sorted in %d pieces", table.name, len(pieces))
        for number in pieces:
            # The last has no end, nor the first a beginning: every row is in exactly one.
            behind = f"({key} <= (SELECT last FROM seal_pieces WHERE number = {number - 1})) IS NOT TRUE"
            within = f"({key} <= (SELECT last FROM seal_pieces WHERE number = {number})) IS TRUE"
            yield behind if number == pieces[-1] else f"{behind} AND {within}"

    def _user_did(self, source: str) -> str:
        """The partition of a post: its author where that one has very many in the hour."""
        statement = sql_template(__file__, "seal_heavy_authors").format(
            rows=source, longest=LONGEST_FOLDER_DID, posts=self._settings.heavy_author_posts
        )
        heavy = [did for (did,) in self._connection.execute(statement).fetchall()]
        if not heavy:
            return quote(OTHER_AUTHORS)
        return f"CASE WHEN r.did IN ({', '.join(map(quote, heavy))}) THEN r.did ELSE {quote(OTHER_AUTHORS)} END"

    def _once(self, table: Table, source: str) -> str:
        """What keeps one of equal rows; empty where there are none, which is cheap to find out."""
        # A repair of a gap is a row that differs from it only there.
        key = ", ".join((*table.key, "repaired_at") if table is GAPS else table.key)
        found = self._connection.execute(f"SELECT count(*) = count(DISTINCT hash({key})) FROM {source}").fetchone()
        if found is not None and found[0]:
            return ""
        return f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY event_at) = 1"

    def _count_authors(self, table: Table, files: Sequence[DataFile]) -> int:
        if "did" not in table.column_names:
            return 0
        found = self._connection.execute(f"SELECT approx_count_distinct(did) FROM {scan(table, files)}").fetchone()
        return int(found[0]) if found else 0


def seal(settings: Settings, now: datetime, progress: Progress | None = None) -> list[SealedHour]:
    """Seal every hour of every table that ended SEAL_DELAY_MINUTES or longer before `now`, oldest first, as far as
    HEAVY_MAX_MINUTES go.

    `progress` is called with the hours done and the hours to do. An hour that cannot be sealed keeps no other from it: then
    SealError names them at the end. Raises BluelakeError, OSError, DeltaError, duckdb.Error.
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
    store.recover(confirmed_versions(settings))
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
    delay_us = int(settings.seal_delay_minutes * 60_000_000)
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
