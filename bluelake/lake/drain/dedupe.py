"""The new rows of a batch, and what they replace.

A duplicate is dropped here, whether the batch itself has the event twice or the lake has it already. Two deliveries of one
event carry the same key (`Table.key`). From two hosts, their times lie a bounded span apart. So a batch is compared only with the
stored files whose times come that near to its own. A host that was killed may give an event a later time. So a row that comes
long after it was made is compared with what came near that time, too.

Two versions of one record differ in their `rev` alone. The higher one replaces the other, whatever its operation.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from bluelake.lake.delta import DataFile, Store
from bluelake.lake.drain.parser import Parsed
from bluelake.lake.hours import HOUR_US, Hour
from bluelake.lake.query import keyed, literal_rows, query, scan, where
from bluelake.lake.tables import ACCOUNTS, PROFILES, REPLACEMENTS, Table

# A first time, a last time, microseconds since 1970, and how many rows lie between.
_Span = tuple[int, int, int]
_NOTHING_REPEATED = (
    "(SELECT 0::BIGINT AS ordinal, false AS is_duplicate, 0::BIGINT AS least_version, "
    "NULL::TIMESTAMPTZ AS last_at WHERE false)"
)


@dataclass(frozen=True)
class Selection:
    """New rows in the table's schema, and how many others of the batch were duplicates. `replacements`: rows of the table
    `replacements` that the batch makes, with `did`, `collection`, `rkey`, `rev` and `event_at`; None where it makes none."""

    rows: pa.Table
    duplicates: int
    replacements: pa.Table | None = None


def select_new(connection: duckdb.DuckDBPyConnection, store: Store, parsed: Parsed, margin_us: int) -> Selection:
    """The rows of `parsed` that the lake does not have yet, sorted by event time, and what all its rows replace."""
    table = parsed.table
    batch = _compared(table, where(parsed.relation, "reject_reason IS NULL"))
    spans = _spans(connection, batch)
    if not spans:
        return Selection(table.schema.empty_table(), 0)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE met AS {_met_near(store, table, batch, spans, margin_us)}")
    late = _late_files(connection, store, table, batch, margin_us)
    if late:
        met = query(__file__, "met_late", batch=batch, stored=_compared(table, scan(table, late)))
        connection.execute(f"INSERT INTO met {met}", {"margin_us": margin_us})
    repeated = _repeated(connection, batch)
    hours = _hours(table, {Hour.of(low) for low, _, _ in spans})
    statement = query(__file__, "new_rows", batch=batch, hours=hours, met="(FROM temp.met)", repeated=repeated)
    rows = connection.execute(statement, {"rows_from": parsed.rows_from}).to_arrow_table()
    rows = rows.select(table.schema.names).cast(table.schema)
    total = sum(count for _, _, count in spans)
    if parsed.rows_from:
        found = connection.execute(f"SELECT count(*) FROM {batch} WHERE ordinal >= ?", [parsed.rows_from]).fetchone()
        total = found[0] if found else 0
    return Selection(rows, total - rows.num_rows, _replacements(connection, table, batch, repeated))


def read_stored(connection: duckdb.DuckDBPyConnection, store: Store, parsed: Parsed, margin_us: int) -> None:
    """Read all that the rows of `parsed` are compared with. Raises duckdb.Error where a stored file cannot be read."""
    table = parsed.table
    # A time without an end is at fault itself, and near no file.
    batch = _compared(table, where(parsed.relation, "reject_reason IS NULL AND isfinite(event_at)"))
    near = _near(store.files(table.name), _spans(connection, batch), margin_us)
    late = _late_files(connection, store, table, batch, margin_us)
    columns = ", ".join(f'"{name}"' for name in dict.fromkeys((*table.key, "event_at")))
    files = {file.path: file for file in (*near, *late)}
    connection.execute(f"SELECT max(hash({columns})) FROM {scan(table, files.values())}")


def _compared(table: Table, rows: str) -> str:
    """`rows` with what they are compared by: `key`, equal in all versions of one thing; `version`; and `made_us`, the time that
    the event tells of itself, microseconds since 1970."""
    has_rev = "rev" in table.column_names
    version = "rev" if table.collection else "0::BIGINT"
    made_us = "rev >> 10" if has_rev else "epoch_us(created_at)" if table is ACCOUNTS else "NULL::BIGINT"
    key = [name for name in table.key if not (table.collection and name == "rev")]
    return keyed(f"(SELECT *, {version} AS version, {made_us} AS made_us FROM {rows})", key)


def _spans(connection: duckdb.DuckDBPyConnection, batch: str) -> list[_Span]:
    """Of each hour that `batch` has rows of: their first and last time, microseconds since 1970, and how many they are."""
    return connection.execute(query(__file__, "batch_hours", batch=batch)).fetchall()


def _met_near(store: Store, table: Table, batch: str, spans: list[_Span], margin_us: int) -> str:
    """A query of the stored versions near the times of `batch`."""
    earliest_us = min(low for low, _, _ in spans) - margin_us
    latest_us = max(high for _, high, _ in spans) + margin_us
    stored = scan(table, _near(store.files(table.name), spans, margin_us))
    near = where(stored, f"event_at BETWEEN make_timestamptz({earliest_us}) AND make_timestamptz({latest_us})")
    return query(__file__, "met_near", batch=batch, stored=_compared(table, near))


def _late_files(
    connection: duckdb.DuckDBPyConnection, store: Store, table: Table, batch: str, margin_us: int
) -> list[DataFile]:
    """The files that are near the time at which late rows of `batch` were made."""
    found = connection.execute(query(__file__, "late_hours", batch=batch), {"margin_us": margin_us}).fetchall()
    return _near(store.files(table.name), [(low, high, 0) for low, high in found], margin_us)


def _repeated(connection: duckdb.DuckDBPyConnection, batch: str) -> str:
    """A relation of the rows of `batch` whose key it has more than once; that there is none is cheap to find out."""
    row = connection.execute(query(__file__, "has_no_duplicates", batch=batch)).fetchone()
    if row is not None and row[0]:
        return _NOTHING_REPEATED
    connection.execute(f"CREATE OR REPLACE TEMP TABLE repeated_rows AS {query(__file__, 'repeated', batch=batch)}")
    return "repeated_rows"


def _replacements(connection: duckdb.DuckDBPyConnection, table: Table, batch: str, repeated: str) -> pa.Table | None:
    # Of profiles every version replaces the earlier ones: the relation of current rows takes it so.
    if table.collection is None or table is PROFILES:
        return None
    statement = query(__file__, "replacing_rows", batch=batch, met="(FROM temp.met)", repeated=repeated)
    rows = connection.execute(statement).to_arrow_table()
    if rows.num_rows == 0:
        return None
    collection = pa.array([table.collection] * rows.num_rows, pa.string())
    rows = rows.append_column("collection", collection).select(REPLACEMENTS.column_names)
    return rows.cast(pa.schema(REPLACEMENTS.columns))


def _hours(table: Table, hours: Iterable[Hour]) -> str:
    """A relation of the partition values of `hours`; `number` counts hours from 1970."""
    # A drain stores all posts in files of all authors. A seal gives authors with very many posts a file of their own.
    author = ("other",) if "user_did" in table.partition else ()
    rows = [(hour.start_us // HOUR_US, *hour.partition.values(), *author) for hour in sorted(hours)]
    return literal_rows(("number", *table.partition), rows)


def _near(files: Iterable[DataFile], spans: list[_Span], margin_us: int) -> list[DataFile]:
    return [
        file
        for file in files
        if any(file.first_us <= high + margin_us and file.last_us >= low - margin_us for low, high, _ in spans)
    ]
