"""Replacements: from a rev on, versions of a record with a lower rev are not current.

Rows that replace others make them (`Selection.replacements`). So do creates and updates that could not become rows: the record
then has no current row. A replacement is a row of the table `replacements` and works like a tombstone, but it deletes nothing.
"""

import re
from collections import Counter
from collections.abc import Iterable

import duckdb
import msgspec
import pyarrow as pa

from bluelake.core.clock import to_datetime
from bluelake.lake.delta import Store
from bluelake.lake.drain.dedupe import Selection, select_new
from bluelake.lake.drain.parser import Parsed, Reject
from bluelake.lake.drain.rejects import LAST_US
from bluelake.lake.tables import RECORD_TABLES, REPLACEMENTS

_COLLECTIONS = frozenset(table.collection for table in RECORD_TABLES)
# As in sql/parse_macros.sql.
_DID = re.compile(r"did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]")
_LONGEST_DID = 2048
_RKEY = re.compile(r"(?!\.\.?$)[a-zA-Z0-9_~.:-]{1,512}")
_REV = re.compile(r"[2-7ab][2-7a-z]{12}")
_TID_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"
# Nothing on the network is older than 2022.
EARLIEST_US = 1_640_995_200_000_000


class _Commit(msgspec.Struct):
    rev: str
    operation: str
    collection: str
    rkey: str


class _Frame(msgspec.Struct):
    """The fields of a frame that name a version of a record."""

    did: str
    commit: _Commit
    time_us: int = 0


_DECODER = msgspec.json.Decoder(_Frame)


def replacements_of(rejects: Iterable[Reject]) -> pa.Table:
    """The replacements that refused frames make: those that are a create or an update of a record that they name."""
    found = [row for reject in rejects if (row := _replacement(reject)) is not None]
    return pa.Table.from_pylist(found, schema=pa.schema(REPLACEMENTS.columns))


def _replacement(reject: Reject) -> dict[str, object] | None:
    try:
        frame = _DECODER.decode(reject.raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    commit = frame.commit
    is_record = commit.operation in ("create", "update") and commit.collection in _COLLECTIONS
    is_named = _DID.fullmatch(frame.did) and len(frame.did) <= _LONGEST_DID and _RKEY.fullmatch(commit.rkey)
    if not is_record or not is_named or not _REV.fullmatch(commit.rev):
        return None
    rev = 0
    for digit in commit.rev:
        rev = rev << 5 | _TID_DIGITS.index(digit)
    # A frame may be refused for its time. Then it counts from when it came.
    came_us = min(max(reject.event_us, 0), LAST_US)
    event_us = frame.time_us if EARLIEST_US <= frame.time_us <= came_us else came_us
    return {
        "did": frame.did,
        "collection": commit.collection,
        "rkey": commit.rkey,
        "rev": rev,
        "event_at": to_datetime(event_us),
    }


def select_new_replacements(
    connection: duckdb.DuckDBPyConnection, store: Store, found: Iterable[pa.Table], margin_us: int
) -> Selection:
    """Those of the replacements `found` that the lake does not have yet."""
    rows = pa.concat_tables(found)
    connection.register("replacement_rows", rows)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE parsed_replacements AS "
        "SELECT row_number() OVER () - 1 AS ordinal, *, NULL AS reject_reason FROM replacement_rows"
    )
    connection.unregister("replacement_rows")
    return select_new(connection, store, Parsed(REPLACEMENTS, "parsed_replacements", [], Counter()), margin_us)
