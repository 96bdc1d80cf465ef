"""The new rows of a batch: re-delivered events fall out, against the batch itself and against the lake.

Two deliveries of one event carry the same key (`Table.key`) and, from two hosts, times that lie a bounded span apart. So
only stored files whose times come that near to the batch's are compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from bluelake.lake.delta import DataFile, Store
from bluelake.lake.drain.parser import Parsed
from bluelake.lake.hours import HOUR_US, Hour
from bluelake.lake.query import quote, scan, sql_template
from bluelake.lake.tables import HOUR_PARTITION, Table


@dataclass(frozen=True)
class Selection:
    """New rows in the table's schema, and how many others of the batch were re-delivered."""

    rows: pa.Table
    duplicates: int


def select_new(connection: duckdb.DuckDBPyConnection, store: Store, parsed: Parsed, margin_us: int) -> Selection:
    """The rows of `parsed` that the lake does not have yet, sorted by event time."""
    table, relation = parsed.table, parsed.relation
    hours = _hours_of(connection, f"{relation} WHERE reject_reason IS NULL")
    total = sum(count for _, _, count in hours)
    if total == 0:
        return Selection(table.schema.empty_table(), 0)
    near = _near(store.files(table.name), [(low, high) for low, high, _ in hours], margin_us)
    earliest = min(low for low, _, _ in hours) - margin_us
    latest = max(high for _, high, _ in hours) + margin_us
    statement = sql_template(__file__, "select_batch").format(
        columns=", ".join(f'b."{name}"' for name in table.column_names),
        partition=", ".join(f"h.{name}" for name in HOUR_PARTITION)
        + (", 'other' AS user_did" if "user_did" in table.partition else ""),
        hours=_hours({Hour.of(low) for low, _, _ in hours}),
        hour_us=HOUR_US,
        parsed=relation,
        once=_once(connection, table, relation),
        stored=scan(table, near),
        same=" AND ".join(f's."{name}" IS NOT DISTINCT FROM b."{name}"' for name in table.key),
        earliest=f"make_timestamptz({earliest})",
        latest=f"make_timestamptz({latest})",
        tiebreak=", ".join(table.key),
    )
    rows = connection.execute(statement).to_arrow_table()
    rows = rows.cast(table.schema)
    return Selection(rows, total - rows.num_rows)


def read_stored(connection: duckdb.DuckDBPyConnection, store: Store, parsed: Parsed, margin_us: int) -> None:
    """Read all that the rows of `parsed` are compared with. Raises duckdb.Error where a stored file cannot be read."""
    table = parsed.table
    # What has no end of time is at fault itself, and near no file.
    hours = _hours_of(connection, f"{parsed.relation} WHERE reject_reason IS NULL AND isfinite(event_at)")
    near = _near(store.files(table.name), [(low, high) for low, high, _ in hours], margin_us)
    columns = ", ".join(f'"{name}"' for name in dict.fromkeys((*table.key, "event_at")))
    connection.execute(f"SELECT max(hash({columns})) FROM {scan(table, near)}")


def _hours_of(connection: duckdb.DuckDBPyConnection, rows: str) -> list[tuple[int, int, int]]:
    """Of each hour that `rows` have: their first and last time, microseconds since 1970, and how many they are."""
    return connection.execute(
        "SELECT min(epoch_us(event_at)), max(epoch_us(event_at)), count(*) "
        f"FROM {rows} GROUP BY epoch_us(event_at) // {HOUR_US}"
    ).fetchall()


def _hours(hours: Iterable[Hour]) -> str:
    """A relation of the partition values of `hours`; `number` counts hours from 1970."""
    rows = ", ".join(
        f"({hour.start_us // HOUR_US}, {', '.join(map(quote, hour.partition.values()))})" for hour in sorted(hours)
    )
    return f"(SELECT * FROM (VALUES {rows}) AS v(number, {', '.join(HOUR_PARTITION)}))"


def _once(connection: duckdb.DuckDBPyConnection, table: Table, relation: str) -> str:
    """What keeps one delivery of each event; empty where none comes twice, which is cheap to find out."""
    key = ", ".join(table.key)
    row = connection.execute(
        f"SELECT count(*) = count(DISTINCT hash({key})) FROM {relation} WHERE reject_reason IS NULL"
    ).fetchone()
    if row is not None and row[0]:
        return ""
    return f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY ordinal) = 1"


def _near(files: Iterable[DataFile], spans: list[tuple[int, int]], margin_us: int) -> list[DataFile]:
    return [
        file
        for file in files
        if any(file.first_us <= high + margin_us and file.last_us >= low - margin_us for low, high in spans)
    ]
