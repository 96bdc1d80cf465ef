"""What is purged: deleted records, and all records of deleted accounts.

Rows that are hidden only because an account is deactivated, suspended or taken down stay. So does an earlier version of an edited
post: the current view shows the post at the time at which that was first seen.
"""

import duckdb

from bluelake.core.settings import Settings
from bluelake.lake.delta import DataFile, Store
from bluelake.lake.query import END_US, between, deletes_of, query, scan
from bluelake.lake.tables import ACCOUNTS, DELETES, RECORD_TABLES, Table

_RECORD_NAMES = frozenset(table.name for table in RECORD_TABLES)


def purges(settings: Settings, table: Table) -> bool:
    """Whether rows of `table` are ever purged."""
    return settings.bluelake_deletions == "purge" and table.name in _RECORD_NAMES


class DeletedAccounts:
    """The deleted accounts of a lake as a table of a DuckDB connection, made anew only where account events have come.

    `margin_us`: how much older than a record the deletion of its account may seem, since hosts' clocks lie apart.
    """

    def __init__(self, store: Store, connection: duckdb.DuckDBPyConnection, margin_us: int) -> None:
        self._store = store
        self._connection = connection
        self._margin_us = margin_us
        self._files: tuple[DataFile, ...] | None = None

    def relation(self) -> str:
        """A relation of `did` and `last_at`: a record up to that event_at was deleted with its account. Raises duckdb.Error."""
        files = self._store.files(ACCOUNTS.name)
        if files != self._files:
            found = query(__file__, "deleted_accounts", accounts=scan(ACCOUNTS, files))
            self._connection.execute(
                f"CREATE OR REPLACE TABLE deleted_accounts_now AS {found}", {"margin_us": self._margin_us}
            )
            self._files = files
        return "deleted_accounts_now"


def unpurged(rows: str, store: Store, table: Table, start_us: int, margin_us: int, deleted_accounts: str) -> str:
    """Of the relation `rows` of `table`, with event_at >= start_us, a relation of those that are not purged.

    `margin_us`: how much older than its record a delete may seem. `deleted_accounts`: a relation of those.
    """
    deletes = between(store.files(DELETES.name), start_us - margin_us, END_US)
    statement = query(
        __file__,
        "unpurged",
        rows=rows,
        deletes=deletes_of(table, deletes),
        deleted_accounts=deleted_accounts,
    )
    return f"({statement})"
