"""Rows of sealed hours that are deleted and not purged yet: found by joins, and listed until a maintenance rewrites their hour.

Under `maintenance/`: `state.json` says which deletes have been looked at (by hour, by what files it had) and which Parquet files
list the rows. If it or a list is lost or broken, every delete is looked at again. Nothing is rewritten here.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import duckdb
import pyarrow as pa
from pyarrow import parquet

from bluelake.core.files import fsync_path, write_durably
from bluelake.lake.compaction.purge import DeletedAccounts
from bluelake.lake.delta import DataFile, Store, by_hour, is_sealed, read_sealed
from bluelake.lake.hours import Hour
from bluelake.lake.query import literal_rows, query, quote, scan
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
        self._deleted_accounts = DeletedAccounts(store, connection, margin_us)
        self.state = _with_lists(folder, read_state(folder))
        folder.mkdir(parents=True, exist_ok=True)

    def look(self) -> None:
        """Find the rows that deletes and accounts which came since the last look remove, and note them durably."""
        for deletes, accounts in self._slices():
            files = [file for group in (deletes, accounts) for hour in group.values() for file in hour]
            log.info("looking for what %d files of deletes and account events remove", len(files))
            self._fill("fresh_deletes", query(__file__, "fresh_deletes", deletes=scan(DELETES, _flat(deletes))))
            self._fill(
                "fresh_deleted_accounts",
                query(
                    __file__,
                    "fresh_deleted_accounts",
                    accounts=scan(ACCOUNTS, _flat(accounts)),
                    deleted_accounts=self._deleted_accounts.relation(),
                ),
            )
            self._find()
            for name, hours in ((DELETES.name, deletes), (ACCOUNTS.name, accounts)):
                self.state.looked[name] |= {hour.label: _digest(files) for hour, files in hours.items()}
            fresh = query(__file__, "fresh_rows", found="found_rows", pending=self._relation())
            self._keep([*self.state.files, self._write(fresh)])
            for table in ("fresh_deletes", "fresh_deleted_accounts", "found_rows"):
                self._connection.execute(f"DROP TABLE {table}")

    def hours(self) -> list[PendingHour]:
        """The hours that hold rows to purge."""
        statement = query(__file__, "pending_hours", pending=self._relation())
        found = self._connection.execute(statement).fetchall()
        return [PendingHour(table, Hour.parse(label), rows, oldest_us) for table, label, rows, oldest_us in found]

    def select(self, hour: PendingHour) -> Callable[[str], str]:
        """What takes, of a relation of the rows of `hour`, those that are not pending."""
        listed = query(
            __file__, "listed_rows", pending=self._relation(), deleted_accounts=self._deleted_accounts.relation()
        )
        self._fill("listed_rows_now", listed, {"table": hour.table, "hour": hour.hour.label})
        return lambda rows: f"({query(__file__, 'unlisted', rows=rows, listed_rows='listed_rows_now')})"

    def discard(self, done: Sequence[PendingHour]) -> None:
        """Take hours that were rewritten off the list, durably."""
        if not done:
            return
        hours = literal_rows(("table", "hour"), [(hour.table, hour.hour.label) for hour in done])
        left = query(__file__, "rows_left", pending=self._relation(), done=hours)
        before = self.state.files
        self._keep([self._write(left)])
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

    def _find(self) -> None:
        """Fill the table `found_rows` with the rows to purge of sealed hours; the others are purged when they are sealed."""
        for number, table in enumerate(RECORD_TABLES):
            sealed = read_sealed(self._store.root / table.name)
            files = [
                file
                for hour, files in by_hour(self._store, table.name).items()
                if is_sealed(self._store, table.name, sealed, hour, files)
                for file in files
            ]
            found = query(__file__, "find_rows", rows=scan(table, files))
            parameters = {"table": table.name, "collection": table.collection}
            self._fill("found_rows", found, parameters, append=number > 0)

    def _fill(self, name: str, text: str, parameters: Mapping[str, object] | None = None, append: bool = False) -> None:
        """Fill a table of the database from a query, anew unless `append`. Not a temporary one: other connections read it."""
        target = f"INSERT INTO {name}" if append else f"CREATE OR REPLACE TABLE {name} AS"
        self._connection.execute(f"{target} {text}", dict(parameters or {}))

    def _relation(self) -> str:
        if not self.state.files:
            return _EMPTY
        listed = ", ".join(quote(str(self._folder / name)) for name in self.state.files)
        return f"read_parquet([{listed}])"

    def _write(self, statement: str) -> str:
        """Write a new list of rows durably. Returns its name.

        `statement` gives the rows by hour, so that those of one hour are found without reading the others.
        """
        self.state.number += 1
        name = f"doomed-{self.state.number:08d}.parquet"
        path = self._folder / name
        self._connection.execute(f"COPY ({statement}) TO {quote(str(path))} (FORMAT parquet, COMPRESSION zstd)")
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
