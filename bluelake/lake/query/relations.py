"""SQL text of the lake's relations: every row of a table, or the current ones, over exactly the live files.

File lists are literals, since DuckDB takes no parameters in a view. What is current is defined in `lake/sql/`.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from bluelake.lake.delta import DataFile
from bluelake.lake.tables import RECORD_TABLES, TABLES, Table

_DUCKDB_TYPES = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "int32": "INTEGER",
    "bool": "BOOLEAN",
    "binary": "BLOB",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
}
BEGINNING_US = -(2**62)
END_US = 2**62
# In `deletes`, the collection and the rkey of a reset: every record of the account with a lower rev has gone.
RESET = "*"
_RECORD_NAMES = frozenset(table.name for table in RECORD_TABLES)


class Files(Protocol):
    """What tells the live files of a table: a `Store`, or the snapshot that a search keeps to."""

    def files(self, name: str) -> tuple[DataFile, ...]:
        """The live files of table `name`."""
        ...


@cache
def sql_template(beside: str, name: str) -> str:
    """The text of `sql/<name>.sql` in the folder of the module whose `__file__` is `beside`."""
    return (Path(beside).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def quote(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def duckdb_type(arrow_type: pa.DataType) -> str:
    """The DuckDB name of one of the lake's Arrow types."""
    if pa.types.is_list(arrow_type):
        return f"{duckdb_type(arrow_type.value_type)}[]"
    return _DUCKDB_TYPES[str(arrow_type)]


def scan(table: Table, files: Iterable[DataFile]) -> str:
    """A relation of every row of `files`, which belong to `table`; an empty one with its columns for no files."""
    paths = sorted(file.path for file in files)
    if not paths:
        nothing = ", ".join(f'NULL::{duckdb_type(field.type)} AS "{field.name}"' for field in table.schema)
        return f"(SELECT {nothing} WHERE false)"
    names = ", ".join(f'"{field.name}"' for field in table.schema)
    listed = ", ".join(quote(path) for path in paths)
    return f"(SELECT {names} FROM read_parquet([{listed}], hive_partitioning = true, hive_types_autocast = false))"


def between(files: Sequence[DataFile], start_us: int, end_us: int) -> list[DataFile]:
    """The files that can hold rows with start_us <= event_at < end_us."""
    return [file for file in files if file.last_us >= start_us and file.first_us < end_us]


def all_rows(store: Files, name: str) -> str:
    """A relation of every row that table `name` holds."""
    return scan(TABLES[name], store.files(name))


def current_rows(
    store: Files,
    name: str,
    start_us: int = BEGINNING_US,
    end_us: int = END_US,
    margin_us: int = 900_000_000,
    *,
    candidates: str | None = None,
    hidden: str | None = None,
    edited: bool = True,
) -> str:
    """A relation of the current rows of table `name` with start_us <= event_at < end_us, microseconds since 1970.

    `margin_us`: how far hosts' clocks may lie apart, so that what supersedes a row may seem that much older than it.
    For a caller that has looked at the rows already: `candidates`, a relation of those rows of the span that can matter
    to it (with their `operation`); `hidden`, a relation of the hidden accounts' DIDs; `edited`, False where no updated
    post can matter, which leaves them out.
    """
    table = TABLES[name]
    files = store.files(name)
    bounds = {"start": _bound(start_us, ">="), "end": _bound(end_us, "<")}
    rows = candidates or scan(table, between(files, start_us, end_us))
    if name in ("accounts", "gaps"):
        return sql_template(__file__, f"current_{name}").format(rows=all_rows(store, name), **bounds)
    if name not in _RECORD_NAMES:
        return f"(SELECT * FROM {rows} AS r WHERE true {bounds['start']} {bounds['end']})"
    later = between(files, start_us - margin_us, END_US)
    updated, superseding = replacing(table, later)
    all_deletes = store.files("deletes")
    collections = {"deletes": table.collection or "", "resets": RESET}
    deletes = between(all_deletes, start_us - margin_us, END_US)
    template, earlier = "current_records", {}
    if name == "posts" and updated and edited:
        template = "current_posts"
        early = between(all_deletes, BEGINNING_US, start_us - margin_us)
        earlier = {f"early_{key}": _deletes(early, value) for key, value in collections.items()}
    return sql_template(__file__, template).format(
        rows=rows,
        updates=scan(table, updated),
        superseding=superseding,
        versions=scan(table, files),
        **{key: _deletes(deletes, value) for key, value in collections.items()},
        **earlier,
        collection=quote(table.collection or ""),
        hidden=hidden or sql_template(__file__, "hidden_accounts").format(accounts=all_rows(store, "accounts")),
        **bounds,
    )


def replacing(table: Table, files: Iterable[DataFile]) -> tuple[list[DataFile], str]:
    """Those of the files of a table of records that can hold versions which replace earlier ones, and the condition on
    their rows `u` that tells which do."""
    # Every account has one profile, so that the table is small, and no version of one need be left standing.
    if table.name == "profiles":
        return list(files), "true"
    return [file for file in files if file.greatest.get("operation") == "update"], "u.operation = 'update'"


def _deletes(files: Iterable[DataFile], collection: str) -> str:
    return scan(TABLES["deletes"], _may_hold(files, "collection", collection))


def _may_hold(files: Iterable[DataFile], column: str, value: str) -> list[DataFile]:
    """The files that can have `value` in `column`, as far as their statistics tell."""
    found = []
    for file in files:
        least, greatest = file.least.get(column), file.greatest.get(column)
        if (least is None or str(least) <= value) and (greatest is None or str(greatest) >= value):
            found.append(file)
    return found


def _bound(moment_us: int, comparison: str) -> str:
    if moment_us in (BEGINNING_US, END_US):
        return ""
    return f"AND r.event_at {comparison} make_timestamptz({moment_us})"
