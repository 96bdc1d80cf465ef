"""The new rows of a batch. A duplicate is dropped here, whether the batch itself has the event twice or the lake has it already.

Two deliveries of one event carry the same key (`Table.key`). From two hosts, their times lie a bounded span apart. So a batch is
compared only with the stored files whose times come that near to its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from bluelake.lake.delta import DataFile, Store
from bluelake.lake.drain.parser import Parsed
from bluelake.lake.hours import HOUR_US, Hour
from bluelake.lake.query import keyed, literal_rows, query, scan, where
from bluelake.lake.tables import Table


@dataclass(frozen=True)
class Selection:
    """New rows in the table's schema, and how many others of the batch were duplicates."""

    rows: pa.Table
    duplicates: int


def select_new(connection: duckdb.DuckDBPyConnection, store: Store, parsed: Parsed, margin_us: int) -> Selection:
    """The rows of `parsed` that the lake does not have yet, sorted by event time."""
    table = parsed.table
    batch = where(parsed.relation, "reject_reason IS NULL")
    spans = _spans(connection, batch)
    total = sum(count for _, _, count in spans)
    if total == 0:
        return Selection(table.schema.empty_table(), 0)
    statement = query(
        __file__,
        "new_rows",
        batch=_first_deliveries(connection, keyed(batch, table.key)),
        hours=_hours(table, {Hour.of(low) for low, _, _ in spans}),
        stored=keyed(scan(table, _near(store.files(table.name), spans, margin_us)), table.key),
    )
    parameters = {
        "earliest_us": min(low for low, _, _ in spans) - margin_us,
        "latest_us": max(high for _, high, _ in spans) + margin_us,
    }
    rows = connection.execute(statement, parameters).to_arrow_table()
    rows = rows.select(table.schema.names).cast(table.schema)
    return Selection(rows, total - rows.num_rows)


def read_stored(connection: duckdb.DuckDBPyConnection, store: Store, parsed: Parsed, margin_us: int) -> None:
    """Read all that the rows of `parsed` are compared with. Raises duckdb.Error where a stored file cannot be read."""
    table = parsed.table
    # A time without an end is at fault itself, and near no file.
    spans = _spans(connection, where(parsed.relation, "reject_reason IS NULL AND isfinite(event_at)"))
    columns = ", ".join(f'"{name}"' for name in dict.fromkeys((*table.key, "event_at")))
    near = _near(store.files(table.name), spans, margin_us)
    connection.execute(f"SELECT max(hash({columns})) FROM {scan(table, near)}")


def _spans(connection: duckdb.DuckDBPyConnection, batch: str) -> list[tuple[int, int, int]]:
    """Of each hour that `batch` has rows of: their first and last time, microseconds since 1970, and how many they are."""
    return connection.execute(query(__file__, "batch_hours", batch=batch)).fetchall()


def _hours(table: Table, hours: Iterable[Hour]) -> str:
    """A relation of the partition values of `hours`; `number` counts hours from 1970."""
    # A drain stores all posts in files of all authors. A seal gives authors with very many posts a file of their own.
    author = ("other",) if "user_did" in table.partition else ()
    rows = [(hour.start_us // HOUR_US, *hour.partition.values(), *author) for hour in sorted(hours)]
    return literal_rows(("number", *table.partition), rows)


def _first_deliveries(connection: duckdb.DuckDBPyConnection, batch: str) -> str:
    """`batch` without the events that it has already; itself where it has none twice, which is cheap to find out."""
    row = connection.execute(query(__file__, "has_no_duplicates", batch=batch)).fetchone()
    if row is not None and row[0]:
        return batch
    return f"({query(__file__, 'first_deliveries', batch=batch)})"


def _near(files: Iterable[DataFile], spans: list[tuple[int, int, int]], margin_us: int) -> list[DataFile]:
    return [
        file
        for file in files
        if any(file.first_us <= high + margin_us and file.last_us >= low - margin_us for low, high, _ in spans)
    ]
