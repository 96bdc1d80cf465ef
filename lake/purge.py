"""What leaves the files for good: records that were deleted, and all records of accounts that were.

Rows that are hidden only because an account is deactivated, suspended or taken down stay, and so does an earlier version of
an edited post: the current view shows the post at the time at which that was first seen.
"""

from core.settings import Settings
from lake.relations import END_US, all_rows, between, quote, scan, sql_template
from lake.store import Store
from lake.tables import ACCOUNTS, DELETES, RECORD_TABLES, Table

_RECORD_NAMES = frozenset(table.name for table in RECORD_TABLES)


def purges(settings: Settings, table: Table) -> bool:
    """Whether rows of `table` are ever purged."""
    return settings.bluelake_deletions == "purge" and table.name in _RECORD_NAMES


def kept(store: Store, table: Table, start_us: int, margin_us: int) -> str:
    """The condition, after a WHERE, that keeps the rows `r` of `table` with event_at >= start_us that are not purged.

    `margin_us`: how much older than its record a delete may seem, or the deletion of its account, since hosts' clocks lie
    apart.
    """
    deletes = between(store.files(DELETES.name), start_us - margin_us, END_US)
    return sql_template("purge_kept").format(
        deletes=scan(DELETES, deletes), collection=quote(table.collection or ""), gone=gone_accounts(store, margin_us)
    )


def gone_accounts(store: Store, margin_us: int) -> str:
    """A relation of the deleted accounts: `did`, and `last_at`, up to which event_at their records went with them."""
    return sql_template("purge_gone_accounts").format(accounts=all_rows(store, ACCOUNTS.name), margin_us=margin_us)
