"""Rows of the lake, made by hand and committed as a drain commits them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.tables import ACCOUNTS, BATCHES, DELETES, GAPS, POSTS, Table

NOON = datetime(2026, 7, 4, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
Row = dict[str, Any]


def post(
    text: str, *, at: datetime = NOON, did: str = "did:plc:ann", rkey: str = "1", rev: int = 1, **more: Any
) -> Row:
    """A post; a hashtag is only what `hashtags` says."""
    return {"did": did, "rkey": rkey, "rev": rev, "event_at": at, "text": text, "operation": "create", **more}


def delete(rkey: str, *, at: datetime = NOON, did: str = "did:plc:ann", rev: int = 2, **more: Any) -> Row:
    """A deleted post."""
    return {"did": did, "rkey": rkey, "rev": rev, "event_at": at, "collection": POSTS.collection, **more}


def identity(did: str, handle: str | None, *, at: datetime = NOON) -> Row:
    """An account's handle."""
    return {"did": did, "kind": "identity", "handle": handle, "event_at": at, "seq": 1}


def account(did: str, *, active: bool, at: datetime = NOON) -> Row:
    """An account's status."""
    return {"did": did, "kind": "account", "active": active, "event_at": at, "seq": 1}


def batch(newest: datetime | None, *, at: datetime = NOON, **more: Any) -> Row:
    """A batch."""
    numbers = ("duration_ms", "first_flush", "last_flush", "events_in", "rows_out", "duplicates", "rejects")
    zeros = dict.fromkeys((*numbers, "bytes_raw", "bytes_stored"), 0)
    texts = {"rejects_by_reason": "{}", "cursors": "{}"}
    return {**zeros, **texts, "event_at": at, "newest_event_at": newest, **more}


class Lake:
    """A lake to write to."""

    def __init__(self, settings: Settings) -> None:
        settings.lake_dir.mkdir(parents=True, exist_ok=True)
        self.store = Store(settings.lake_dir)
        self.store.create_tables()
        self._flush = 0

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
                self.store.append(table, _arrow(table, rows), self._flush, {})


def _arrow(table: Table, rows: Sequence[Row]) -> pa.Table:
    lists = {field.name for field in table.schema if pa.types.is_list(field.type)}
    full = []
    for row in rows:
        at: datetime = row["event_at"]
        hour = {"year": f"{at:%Y}", "month": f"{at:%m}", "day": f"{at:%d}", "hour": f"{at:%H}", "user_did": "other"}
        full.append({**{name: [] for name in lists}, **hour, **row})
    return pa.Table.from_pylist(full, schema=table.schema)
