"""Rows of the lake's tables, made by hand. Unless told otherwise they are of noon, 2026-07-04."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from bluelake.lake.tables import DELETES, HOUR_PARTITION, POSTS, Table
from bluelake.lake.text import tag_key

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


def like(rkey: str, *, at: datetime = NOON, did: str = "did:plc:ann", rev: int = 1, **more: Any) -> Row:
    """A like."""
    return {"did": did, "rkey": rkey, "rev": rev, "event_at": at, "operation": "create", **more}


def arrow(table: Table, rows: Sequence[Row]) -> pa.Table:
    """`rows` as the table stores them: each in the partition of its hour, columns without a value NULL, lists empty."""
    lists = {field.name for field in table.schema if pa.types.is_list(field.type)}
    full = []
    for row in rows:
        hour = dict(zip(HOUR_PARTITION, f"{row['event_at']:%Y %m %d %H}".split(), strict=True))
        # What a parser makes of tags and of a plain account event.
        made = {"hashtag_keys": [tag_key(tag) for tag in row.get("hashtags", ())]} if "hashtag_keys" in lists else {}
        full.append(
            {**{name: [] for name in lists}, **made, "ordered_at": row["event_at"], **hour, "user_did": "other", **row}
        )
    return pa.Table.from_pylist(full, schema=table.schema)


def delete_rows(*rkeys: str, hour: int = 12) -> pa.Table:
    """Deleted posts of one account, half past `hour`."""
    at = datetime(2026, 7, 4, hour, 30, 0, 1500, UTC)
    row = {"did": "did:plc:a", "collection": POSTS.collection, "rev": 1, "event_at": at}
    return arrow(DELETES, [row | {"rkey": rkey} for rkey in rkeys])


def likes(table: Table) -> pa.Table:
    """One like."""
    return arrow(table, [{"did": "a", "rkey": "b", "rev": 1, "event_at": NOON}])
