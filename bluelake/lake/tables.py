"""The tables of the lake and their schemas.

Every table is partitioned by the UTC hour of `event_at` (year, month, day, hour: zero-padded strings), `posts` also by
`user_did`. Timestamps are microseconds, UTC. `rev` is the commit's TID as int64
(https://atproto.com/specs/tid), which orders a repository's commits.

A column that is added later stands at the end of its table. Files that were written before it read it as NULL.
"""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

# Which rules made rows of frames. It grows with every change after which a frame would become another row, and every commit
# says it (docs/durability.md). 1: before a commit said anything. 2: canonical tags, checked references, RFC 3339 times.
RULES = 2

TIMESTAMP = pa.timestamp("us", tz="UTC")
TEXTS = pa.list_(pa.string())
HOUR_PARTITION = ("year", "month", "day", "hour")

Encoding = Literal["PLAIN", "DELTA_BINARY_PACKED", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]

# Columns that grow with time or never repeat: a dictionary would only cost, a delta is small.
ENCODINGS: dict[str, Encoding] = {
    "did": "PLAIN",
    "rkey": "DELTA_BYTE_ARRAY",
    "rev": "DELTA_BINARY_PACKED",
    "event_at": "DELTA_BINARY_PACKED",
    "created_at": "DELTA_BINARY_PACKED",
    "cid": "PLAIN",
    "text": "PLAIN",
    "seq": "DELTA_BINARY_PACKED",
    "subject_rkey": "PLAIN",
}
# Sorted by (did, rkey), equal DIDs lie together and zstd finds them; keys and revs no longer grow from row to row.
SEALED_ENCODINGS: dict[str, Encoding] = {
    "did": "PLAIN",
    "rkey": "PLAIN",
    "rev": "PLAIN",
    "event_at": "DELTA_BINARY_PACKED",
    "created_at": "DELTA_BINARY_PACKED",
    "cid": "DELTA_BYTE_ARRAY",
    "text": "DELTA_LENGTH_BYTE_ARRAY",
    "subject_did": "DELTA_BYTE_ARRAY",
    "subject_rkey": "PLAIN",
}


@dataclass(frozen=True)
class Table:
    """One table: its name, its columns in order, and how rows of it are told apart.

    `key` names the columns that are equal only in two deliveries of one event. `collection` is the NSID of the
    records that it holds, None where it holds no records.
    """

    name: str
    columns: tuple[tuple[str, pa.DataType], ...]
    key: tuple[str, ...]
    collection: str | None = None
    partition: tuple[str, ...] = HOUR_PARTITION

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, partition columns last."""
        partitions = [(name, pa.string()) for name in self.partition]
        return pa.schema([*self.columns, *partitions])

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns without those of the partition."""
        return tuple(name for name, _ in self.columns)


_RECORD = (
    ("did", pa.string()),
    ("rkey", pa.string()),
    ("rev", pa.int64()),
    ("event_at", TIMESTAMP),
    ("created_at", TIMESTAMP),
    # create, resync or update, in this order, so that a file's statistics tell whether any row is more than a create. A resync
    # is a create that came long after its record was written. Costs nothing where it is always the same.
    ("operation", pa.string()),
)
_RECORD_KEY = ("did", "rkey", "rev")
_SUBJECT_RECORD = (
    ("subject_did", pa.string()),
    ("subject_rkey", pa.string()),
    ("subject_collection", pa.string()),
    ("via_did", pa.string()),
    ("via_rkey", pa.string()),
)
_SUBJECT_ACCOUNT = (("subject_did", pa.string()),)

POSTS = Table(
    "posts",
    (
        *_RECORD,
        ("cid", pa.string()),
        ("text", pa.string()),
        ("langs", TEXTS),
        ("hashtags", TEXTS),
        ("mentions", TEXTS),
        ("links", TEXTS),
        ("domains", TEXTS),
        ("reply_parent_did", pa.string()),
        ("reply_parent_rkey", pa.string()),
        ("reply_root_did", pa.string()),
        ("reply_root_rkey", pa.string()),
        ("quote_did", pa.string()),
        ("quote_rkey", pa.string()),
        ("embed", pa.string()),
        ("media_count", pa.int32()),
        ("alt_texts", TEXTS),
        ("labels", TEXTS),
        ("hashtag_keys", TEXTS),
    ),
    key=_RECORD_KEY,
    collection="app.bsky.feed.post",
    partition=(*HOUR_PARTITION, "user_did"),
)
LIKES = Table("likes", (*_RECORD, *_SUBJECT_RECORD, ("hide_like", pa.bool_())), _RECORD_KEY, "app.bsky.feed.like")
REPOSTS = Table("reposts", (*_RECORD, *_SUBJECT_RECORD), _RECORD_KEY, "app.bsky.feed.repost")
FOLLOWS = Table("follows", (*_RECORD, *_SUBJECT_ACCOUNT), _RECORD_KEY, "app.bsky.graph.follow")
BLOCKS = Table("blocks", (*_RECORD, *_SUBJECT_ACCOUNT), _RECORD_KEY, "app.bsky.graph.block")
PROFILES = Table(
    "profiles",
    (
        *_RECORD,
        ("cid", pa.string()),
        ("display_name", pa.string()),
        ("description", pa.string()),
        ("pinned_post_rkey", pa.string()),
        ("self_labels", TEXTS),
    ),
    _RECORD_KEY,
    "app.bsky.actor.profile",
)
ACCOUNTS = Table(
    "accounts",
    (
        ("did", pa.string()),
        ("event_at", TIMESTAMP),
        ("created_at", TIMESTAMP),
        ("kind", pa.string()),
        ("handle", pa.string()),
        ("active", pa.bool_()),
        ("status", pa.string()),
        ("seq", pa.int64()),
        ("ordered_at", TIMESTAMP),
    ),
    key=("did", "kind", "seq", "created_at"),
)
DELETES = Table(
    "deletes",
    (
        ("did", pa.string()),
        ("collection", pa.string()),
        ("rkey", pa.string()),
        ("rev", pa.int64()),
        ("event_at", TIMESTAMP),
    ),
    key=("did", "collection", "rkey", "rev"),
)
# "From `rev` on, versions of this record with a lower rev are not current." The drain notes one where a row does not show by
# itself that it replaces another: a create of a record that is there already, or an update that could not become a row.
REPLACEMENTS = Table("replacements", DELETES.columns, key=DELETES.key)
GAPS = Table(
    "gaps",
    (
        ("event_at", TIMESTAMP),
        ("from_at", TIMESTAMP),
        ("to_at", TIMESTAMP),
        ("host", pa.string()),
        ("cause", pa.string()),
        ("repaired_at", TIMESTAMP),
    ),
    key=("from_at", "to_at", "host", "cause"),
)
REJECTS = Table(
    "rejects",
    (
        ("event_at", TIMESTAMP),
        ("reason", pa.string()),
        ("queue", pa.string()),
        ("flush", pa.int64()),
        ("host", pa.string()),
        ("raw", pa.binary()),
    ),
    key=("reason", "raw"),
)
# events_in = rows_out + duplicates + rejects. `rejects` and `rejects_by_reason` count every frame that could not be a row,
# however often the same one came; `rows_by_table` has under `rejects` those that were kept as new.
BATCHES = Table(
    "batches",
    (
        ("event_at", TIMESTAMP),
        ("duration_ms", pa.int64()),
        ("first_flush", pa.int64()),
        ("last_flush", pa.int64()),
        ("events_in", pa.int64()),
        ("rows_out", pa.int64()),
        ("rows_by_table", pa.string()),
        ("duplicates", pa.int64()),
        ("rejects", pa.int64()),
        ("rejects_by_reason", pa.string()),
        ("anomalies_by_reason", pa.string()),
        ("bytes_raw", pa.int64()),
        ("bytes_stored", pa.int64()),
        ("newest_event_at", TIMESTAMP),
        ("cursors", pa.string()),
    ),
    key=("last_flush",),
)

RECORD_TABLES = (POSTS, LIKES, REPOSTS, FOLLOWS, BLOCKS, PROFILES)
EVENT_TABLES = (*RECORD_TABLES, ACCOUNTS, DELETES, GAPS)
TABLES: dict[str, Table] = {table.name: table for table in (*EVENT_TABLES, REPLACEMENTS, REJECTS, BATCHES)}
