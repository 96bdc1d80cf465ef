"""Rows of sealed hours that are deleted and still in the files: found by joins, kept until a maintenance rewrites their hour.

Under `maintenance/`: `state.json` says which deletes have been looked at (by hour, by what files it had) and which Parquet files
list the rows. If it or a list is lost or broken, every delete is looked at again. Nothing is rewritten here.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import duckdb
import pyarrow as pa
from pyarrow import parquet

from bluelake.core.files import fsync_path, write_durably
from bluelake.lake.compaction.purge import GoneAccounts
from bluelake.lake.delta import DataFile, Store, by_hour, is_sealed, read_sealed
from bluelake.lake.hours import Hour
from bluelake.lake.query import quote, scan, sql_template
from bluelake.lake.tables import ACCOUNTS, DELETES, RECORD_TABLES, Table

log = logging.getLogger(__name__)

# Deletes that are joined at once with all sealed hours: about a gigabyte of hash table, and what does not fit spills.
SLICE_ROWS = 10_000_000
_EMPTY = (
    "(SELECT ''::VARCHAR AS \"table\", '' AS hour, '' AS did, '' AS rkey, 0::BIGINT AS rev, now() AS since, "
    "false AS with_account WHERE false)"
)


@dataclass
class State:
    """`looked`: by table (deletes, accounts) and hour, a digest of the files that were looked at. `files`: names of the
    lists of rows to purge. `rows`: how many they hold. `oldest_us`: since when the first of them is deleted, microseconds since
    1970. `number`: of the newest of them."""

    looked: dict[str, dict[str, str]] = field(default_factory=lambda: {DELETES.name: {}, ACCOUNTS.name: {}})
    files: list[str] = field(default_factory=list)
    rows: int = 0
    oldest_us: int | None = None
    number: int = 0


@dataclass(frozen=True)
class PendingHour:
    """An hour of a table that holds rows to purge: how many, and since when (microseconds) the first of them is deleted."""

    table: str
    hour: Hour
    rows: int
    oldest_us: int


def read_state(folder: Path) -> State:
    """What the last maintenance left in `folder`; an empty state where there is none that can be read."""
    try:
        state = State(**json.loads((folder / "state.json").read_bytes()))
        state.looked[DELETES.name], state.looked[ACCOUNTS.name]
    except FileNotFoundError:
        return State()
    except (ValueError, TypeError, KeyError) as error:
        log.warning("%s: not the state of a maintenance (%s): every delete is looked at again", folder, error)
        return State()
    return state


def _with_lists(folder: Path, state: State) -> State:
    """`state`, or an empty one where a list that it names cannot be read. Only for a maintenance: others may come while one
    replaces the lists."""
    try:
        for name in state.files:
            parquet.read_metadata(folder / name)
    except (pa.ArrowException, OSError) as error:
        log.warning("%s: a list cannot be read (%s): every delete is looked at again", folder, error)
        # Under new names: the state on the disk must not take a new list for one of its own.
        return State(number=state.number)
    return state


def oldest_waiting_us(state: State, store: Store) -> int | None:
    """When the oldest deletion was made that `state` lists or that no maintenance has looked at, microseconds since 1970.

    None where there is none. What has not been looked at is not read: the first event of its hour counts, whatever it is.
    """
    fresh = (file.first_us for table in (DELETES, ACCOUNTS) for file in _flat(_changed(state, store, table)))
    listed = () if state.oldest_us is None else (state.oldest_us,)
    return min((*fresh, *listed), default=None)


def _changed(state: State, store: Store, table: Table) -> dict[Hour, list[DataFile]]:
    """The hours of `table` that are not as they were when they were looked at."""
    looked = state.looked[table.name]
    hours = sorted(by_hour(store, table.name).items())
    return {hour: files for hour, files in hours if looked.get(hour.label) != _digest(files)}


class PendingPurge:
    """The list of rows to purge of one lake, on one DuckDB connection."""

    def __init__(self, folder: Path, store: Store, connection: duckdb.DuckDBPyConnection, margin_us: int) -> None:
        self._folder = folder
        self._store = store
        self._connection = connection
        self._gone = GoneAccounts(store, connection, margin_us)
        self.state = _with_lists(folder, read_state(folder))
        folder.mkdir(parents=True, exist_ok=True)

    def look(self) -> None:
        """Find the rows that deletes and accounts which came since the last look remove, and note them durably."""
        for deletes, accounts in self._slices():
            files = [file for group in (deletes, accounts) for hour in group.values() for file in hour]
            log.info("looking for what %d files of deletes and account events remove", len(files))
            self._connection.execute(
                sql_template(__file__, "purge_fresh_deletes").format(deletes=scan(DELETES, _flat(deletes)))
            )
            self._connection.execute(
                sql_template(__file__, "purge_fresh_gone").format(
                    accounts=scan(ACCOUNTS, _flat(accounts)), gone=self._gone.relation()
                )
            )
            found = " UNION ALL ".join(f"({self._find(table)})" for table in RECORD_TABLES)
            for name, hours in ((DELETES.name, deletes), (ACCOUNTS.name, accounts)):
                self.state.looked[name] |= {hour.label: _digest(files) for hour, files in hours.items()}
            fresh = sql_template(__file__, "purge_fresh").format(found=found, pending=self._relation())
            self._keep([*self.state.files, self._write(fresh)])

    def hours(self) -> list[PendingHour]:
        """The hours that hold rows to purge."""
        statement = sql_template(__file__, "purge_hours").format(pending=self._relation())
        found = self._connection.execute(statement).fetchall()
        return [PendingHour(table, Hour.parse(label), rows, oldest_us) for table, label, rows, oldest_us in found]

    def select(self, hour: PendingHour) -> str:
        """The condition, after a WHERE, that keeps the rows `r` of `hour` that are not pending."""
        self._connection.execute(
            sql_template(__file__, "purge_select").format(
                pending=self._relation(),
                table=quote(hour.table),
                hour=quote(hour.hour.label),
                gone=self._gone.relation(),
            )
        )
        return sql_template(__file__, "purge_listed")

    def discard(self, done: Sequence[PendingHour]) -> None:
        """Take hours that were rewritten off the list, durably."""
        if not done:
            return
        pairs = ", ".join(f"({quote(hour.table)}, {quote(hour.hour.label)})" for hour in done)
        rest = sql_template(__file__, "purge_rest").format(pending=self._relation(), done=pairs)
        before = self.state.files
        self._keep([self._write(rest)])
        for name in before:
            (self._folder / name).unlink(missing_ok=True)

    def _slices(self) -> Iterator[tuple[Mapping[Hour, list[DataFile]], Mapping[Hour, list[DataFile]]]]:
        """The hours of deletes and accounts that changed since they were looked at, in slices that fit the memory."""
        accounts = _changed(self.state, self._store, ACCOUNTS)
        deletes: dict[Hour, list[DataFile]] = {}
        rows = 0
        for hour, files in _changed(self.state, self._store, DELETES).items():
            deletes[hour] = files
            rows += sum(file.rows for file in files)
            if rows >= SLICE_ROWS:
                yield deletes, accounts
                deletes, accounts, rows = {}, {}, 0
        if deletes or accounts:
            yield deletes, accounts

    def _find(self, table: Table) -> str:
        """The rows to purge of the sealed hours of `table`; the others are purged when they are sealed."""
        sealed = read_sealed(self._store.root / table.name)
        files = [
            file
            for hour, files in by_hour(self._store, table.name).items()
            if is_sealed(self._store, table.name, sealed, hour, files)
            for file in files
        ]
        return sql_template(__file__, "purge_find").format(
            table=quote(table.name), rows=scan(table, files), collection=quote(table.collection or "")
        )

    def _relation(self) -> str:
        if not self.state.files:
            return _EMPTY
        listed = ", ".join(quote(str(self._folder / name)) for name in self.state.files)
        return f"read_parquet([{listed}])"

    def _write(self, statement: str) -> str:
        """Write a new list of rows, and bring it to the disk. Returns its name."""
        self.state.number += 1
        name = f"doomed-{self.state.number:08d}.parquet"
        path = self._folder / name
        # In order, so that the rows of one hour are found without reading the others.
        ordered = f'FROM ({statement}) ORDER BY "table", hour'
        self._connection.execute(f"COPY ({ordered}) TO {quote(str(path))} (FORMAT parquet, COMPRESSION zstd)")
        fsync_path(path)
        fsync_path(self._folder)
        return name

    def _keep(self, files: list[str]) -> None:
        self.state.files = files
        statement = f"SELECT count(*), epoch_us(min(since)) FROM {self._relation()}"
        self.state.rows, self.state.oldest_us = self._connection.execute(statement).fetchone() or (0, None)
        write_durably(self._folder / "state.json", json.dumps(self.state.__dict__, indent=0).encode() + b"\n")
        for path in self._folder.glob("doomed-*.parquet"):
            if path.name not in files:
                # Left by a run that was killed, or replaced just now.
                path.unlink(missing_ok=True)


def _flat(hours: Mapping[Hour, list[DataFile]]) -> list[DataFile]:
    return [file for files in hours.values() for file in files]


def _digest(files: Sequence[DataFile]) -> str:
    names = "\n".join(sorted(file.path.rsplit("/", 1)[-1] for file in files))
    return blake2b(names.encode(), digest_size=8).hexdigest()
