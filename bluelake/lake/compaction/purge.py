"""What leaves the files for good: records that were deleted, and all records of accounts that were.

Rows that are hidden only because an account is deactivated, suspended or taken down stay, and so does an earlier version of
an edited post: the current view shows the post at the time at which that was first seen.
"""

import duckdb

from bluelake.core.settings import Settings
from bluelake.lake.delta import DataFile, Store
from bluelake.lake.query import END_US, between, quote, scan, sql_template
from bluelake.lake.tables import ACCOUNTS, DELETES, RECORD_TABLES, Table

_RECORD_NAMES = frozenset(table.name for table in RECORD_TABLES)


def purges(settings: Settings, table: Table) -> bool:
    """Whether rows of `table` are ever purged."""
    return settings.bluelake_deletions == "purge" and table.name in _RECORD_NAMES


class GoneAccounts:
    """The deleted accounts of a lake as a table of a DuckDB connection, made anew only where account events have come.

    `margin_us`: how much older than a record the deletion of its account may seem, since hosts' clocks lie apart.
    """

    def __init__(self, store: Store, connection: duckdb.DuckDBPyConnection, margin_us: int) -> None:
        self._store = store
        self._connection = connection
        self._margin_us = margin_us
        self._files: tuple[DataFile, ...] | None = None

    def relation(self) -> str:
        """A relation of `did`, and of `last_at`, up to which event_at their records went with them. Raises duckdb.Error."""
        files = self._store.files(ACCOUNTS.name)
        if files != self._files:
            statement = sql_template(__file__, "purge_gone_accounts")
            self._connection.execute(statement.format(accounts=scan(ACCOUNTS, files), margin_us=self._margin_us))
            self._files = files
        return "gone_accounts"


def kept(store: Store, table: Table, start_us: int, margin_us: int, gone: str) -> str:
    """The condition, after a WHERE, that keeps the rows `r` of `table` with event_at >= start_us that are not purged.

    `margin_us`: how much older than its record a delete may seem. `gone`: a relation of the deleted accounts.
    """
    deletes = between(store.files(DELETES.name), start_us - margin_us, END_US)
    return sql_template(__file__, "purge_kept").format(
        deletes=scan(DELETES, deletes), collection=quote(table.collection or ""), gone=gone
    )
