"""Lakes of a test's own: rows written without Redis and drain, frames drained, and the lake read back."""

import atexit
import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.delta import DataFile, Store
from bluelake.lake.drain import drain
from bluelake.lake.query.relations import all_rows, current_rows
from bluelake.lake.tables import ACCOUNTS, BATCHES, DELETES, GAPS, POSTS, TABLES
from tests.support import rows as made
from tests.support.buffers import feed
from tests.support.faults import break_end
from tests.support.frames import POST
from tests.support.rows import Row, arrow

# Every hour of 2026-07-04 up to the afternoon is over, and may be sealed.
LATER = datetime(2026, 7, 4, 20, tzinfo=UTC)


class Lake:
    """The lake of `settings`, into which rows are committed as a drain commits them."""

    def __init__(self, settings: Settings) -> None:
        is_new = not settings.lake_dir.exists()
        if is_new:
            shutil.copytree(_empty_lake(), settings.lake_dir, copy_function=shutil.copyfile)
        self.store = Store(settings.lake_dir)
        self.store.create_tables()
        # A copy of a lake goes on where that one stopped.
        self._flush = 0 if is_new else max(self.store.committed_flush(name) for name in TABLES)

    def write(
        self,
        posts: Sequence[Row] = (),
        *,
        deletes: Sequence[Row] = (),
        accounts: Sequence[Row] = (),
        batches: Sequence[Row] = (),
        gaps: Sequence[Row] = (),
    ) -> None:
        """Commit the rows, a commit a table."""
        self._flush += 1
        for table, rows in ((POSTS, posts), (DELETES, deletes), (ACCOUNTS, accounts), (BATCHES, batches), (GAPS, gaps)):
            if rows:
                assert self.store.append(table, arrow(table, rows), self._flush, {}) is not None

    def add(self, name: str, *rows: Row) -> None:
        """Commit `rows` to the table `name`; a row that does not say otherwise is a create of rev 1."""
        self._flush += 1
        whole = [{"rev": 1, "operation": "create", **row} for row in rows]
        assert self.store.append(TABLES[name], arrow(TABLES[name], whole), self._flush, {}) is not None

    def post(self, did: str, rkey: str, event_at: datetime, **columns: Any) -> None:
        """Commit one post."""
        self.add("posts", made.post(**{"text": f"{did} {rkey}", "at": event_at, "did": did, "rkey": rkey, **columns}))

    def like(self, did: str, rkey: str, event_at: datetime, author: str, post: str) -> None:
        """Commit one like of the post `post` by `author`."""
        subject: dict[str, Any] = {"subject_did": author, "subject_rkey": post, "subject_collection": POST}
        self.add("likes", made.like(rkey, at=event_at, did=did, **subject))

    def delete(self, did: str, rkey: str, event_at: datetime, collection: str = POST) -> None:
        """Commit the delete of one record."""
        self.add("deletes", made.delete(rkey, at=event_at, did=did, rev=9, collection=collection))

    def account(self, did: str, event_at: datetime, *, active: bool) -> None:
        """Commit an account event."""
        self.add("accounts", made.account(did, active=active, at=event_at))


@cache
def _empty_lake() -> str:
    """A lake without rows, made once a process: to copy it takes a tenth of the time that its tables take to be made."""
    folder = TemporaryDirectory(prefix="bluelake-empty-")
    atexit.register(folder.cleanup)
    Store(Path(folder.name)).create_tables()
    return folder.name


def drained(buffer: Buffer, settings: Settings, *batches: list[bytes]) -> None:
    """Feed and drain each list of frames by itself."""
    for frames in batches:
        feed(buffer, frames)
        drain(settings)


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    """The connection that reads all lakes of a process; to open one takes longer than most queries."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    # A test may break a file in place.
    connection.execute("SET GLOBAL enable_external_file_cache = false")
    return connection


def query(settings: Settings, sql: str) -> duckdb.DuckDBPyConnection:
    """Run `sql` over the lake as `run_sql` does, with views of only the tables that it names."""
    store, connection = Store(settings.lake_dir), _duckdb().cursor()
    for name in TABLES:
        if re.search(rf"\b{name}_all\b", sql):
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {name}_all AS SELECT * FROM {all_rows(store, name)}")
        if re.search(rf"\b{name}\b", sql):
            current = current_rows(store, name, margin_us=settings.dedupe_margin_us)
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {current}")
    return connection.execute(sql)


def rows(settings: Settings, sql: str) -> list[dict[str, Any]]:
    """The result of `sql` over the lake, a dict a row."""
    result = query(settings, sql)
    columns = [column[0] for column in result.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]


def values(settings: Settings, sql: str) -> list[Any]:
    """The first column of the result of `sql`."""
    return [row[0] for row in query(settings, sql).fetchall()]


def everything(settings: Settings, table: str) -> list[dict[str, Any]]:
    """All rows that a table stores, current or not."""
    return sorted(rows(settings, f"SELECT * FROM {table}_all"), key=str)


def live(settings: Settings, table: str, hour: str = "2026-07-04T12") -> list[DataFile]:
    """A table's files of one hour."""
    return [file for file in Store(settings.lake_dir).files(table) if file.hour.label == hour]


def break_file(settings: Settings, table: str, hour: str = "2026-07-04T12") -> None:
    """Break the one file of an hour."""
    (file,) = live(settings, table, hour)
    break_end(Path(file.path))
