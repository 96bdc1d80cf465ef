"""Each account's newest handle and status, for searches: kept from one to the next, and brought up to date by new files.

They are a table of DuckDB's, which stays within its limit and spills beyond it, and not an object of this process: a lake that
runs for long has seen tens of millions of accounts.
"""

import duckdb

from bluelake.lake.delta import DataFile
from bluelake.lake.query import query, scan, statement
from bluelake.lake.tables import ACCOUNTS

# The names under which the SQL of searches knows them.
LATEST = "accounts_latest"
HIDDEN = "accounts_hidden"
# So many rows of events are grouped at once, which DuckDB does in memory.
SHARE_ROWS = 500_000


class Accounts:
    """What the accounts are by the files that were taken in. Not safe for threads; readers on cursors of their own are."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._seen: frozenset[str] = frozenset()
        self._files: tuple[DataFile, ...] | None = None
        connection.execute(
            f"CREATE TABLE {LATEST} (did VARCHAR, kind VARCHAR, handle VARCHAR, active BOOLEAN, "
            "newest STRUCT(moment TIMESTAMP WITH TIME ZONE, seq BIGINT))"
        )
        connection.execute(f"CREATE VIEW {HIDDEN} AS SELECT did FROM {LATEST} WHERE kind = 'account' AND NOT active")

    def refresh(self, files: tuple[DataFile, ...]) -> None:
        """Take in those of `files` that are new. A file that was rewritten says what it said before."""
        if files is self._files:
            return
        added = [file for file in files if file.path not in self._seen]
        shares = 1 + sum(file.rows for file in added) // SHARE_ROWS
        if not self._seen:
            # What a refresh that failed has left.
            self._connection.execute(f"TRUNCATE {LATEST}")
        for share in range(shares if added else 0):
            text = query(__file__, "accounts_added", events=scan(ACCOUNTS, added))
            self._take_in(text, {"shares": shares, "share": share})
        self._seen, self._files = frozenset(file.path for file in files), files

    def _take_in(self, added: str, parameters: dict[str, int]) -> None:
        if not self._seen:
            self._connection.execute(f"INSERT INTO {LATEST} {added}", parameters)
            return
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE accounts_added AS {added}", parameters)
        # An account is in its table once: a failure in between leaves what a repetition completes.
        self._connection.execute(statement(__file__, "accounts_changed"))
        self._connection.execute(statement(__file__, "accounts_new"))
        self._connection.execute("DROP TABLE accounts_added")
