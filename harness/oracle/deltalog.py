"""The rows of a Delta table, read by the oracle itself: the log's JSON entries say which files count, DuckDB reads those.

https://github.com/delta-io/delta/blob/master/PROTOCOL.md, as far as a table needs it whose log still is whole.
"""

import json
from pathlib import Path
from urllib.parse import unquote

import duckdb

from harness.errors import TruthError

Row = dict[str, object]
PARTITION = ("year", "month", "day", "hour")


def live_files(table: Path) -> list[Path]:
    """The files that the newest version of `table` consists of. Raises TruthError."""
    live: dict[str, Path] = {}
    entries = sorted((table / "_delta_log").glob("[0-9]*.json"))
    for number, entry in enumerate(entries):
        if int(entry.stem) != number:
            raise TruthError(f"{table}: the log has no entry {number}")
        try:
            actions = [json.loads(line) for line in entry.read_bytes().splitlines()]
        except ValueError as error:
            raise TruthError(f"{entry}: {error}") from error
        for action in actions:
            if "remove" in action:
                live.pop(action["remove"]["path"], None)
        for action in actions:
            if "add" in action:
                live[action["add"]["path"]] = table / unquote(action["add"]["path"])
    return sorted(live.values())


def read_rows(table: Path) -> list[Row]:
    """Every row of the newest version of `table`: times as microseconds since 1970, the partition's columns as text.

    Raises TruthError where a file that the log names is gone or broken.
    """
    files = live_files(table)
    if not files:
        return []
    names = "[" + ", ".join("'" + str(path).replace("'", "''") + "'" for path in files) + "]"
    source = f"read_parquet({names}, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
    connection = duckdb.connect()
    try:
        connection.execute("SET threads = 1")
        described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        columns = ", ".join(
            f'epoch_us("{name}") AS "{name}"' if kind.startswith("TIMESTAMP") else f'"{name}"'
            for name, kind, *_ in described
        )
        cursor = connection.execute(f"SELECT {columns} FROM {source}")
        titles = [name for name, *_ in described]
        return [dict(zip(titles, row, strict=True)) for row in cursor.fetchall()]
    except duckdb.Error as error:
        raise TruthError(f"{table}: {error}") from error
    finally:
        connection.close()
