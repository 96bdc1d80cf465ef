"""SQL text of the lake's relations: every row of a table, or the current ones, over exactly the live files.

The files `sql/current_*.sql` define what is current. `bluelake.lake.query.statements` says what a relation is.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import pyarrow as pa

from bluelake.lake.delta import DataFile
from bluelake.lake.query.statements import query
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
# In `deletes`, the collection and the rkey of a reset. It supersedes every record of the account with a lower rev.
RESET = "*"
_RECORD_NAMES = frozenset(table.name for table in RECORD_TABLES)


class Files(Protocol):
    """What tells the live files of a table: a `Store`, or the snapshot that a search keeps to."""

    def files(self, name: str) -> tuple[DataFile, ...]:
        """The live files of table `name`."""
        ...


def quote(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def duckdb_type(arrow_type: pa.DataType) -> str:
    """The DuckDB name of one of the lake's Arrow types."""
    if pa.types.is_list(arrow_type):
        return f"{duckdb_type(arrow_type.value_type)}[]"
    return _DUCKDB_TYPES[str(arrow_type)]


def scan(table: Table, files: Iterable[DataFile]) -> str:
    """A relation of every row of `files`, which belong to `table`; an empty one with its columns for no files.

    A column that a file lacks, since it was added to the table later, reads as NULL.
    """
    paths = sorted(file.path for file in files)
    typed = ", ".join(f'NULL::{duckdb_type(field.type)} AS "{field.name}"' for field in table.schema)
    nothing = f"SELECT {typed} WHERE false"
    if not paths:
        return f"({nothing})"
    names = ", ".join(f'"{field.name}"' for field in table.schema)
    listed = ", ".join(quote(path) for path in paths)
    parquet = f"read_parquet([{listed}], hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
    return f"(SELECT {names} FROM ({nothing} UNION ALL BY NAME FROM {parquet}))"


def where(relation: str, condition: str) -> str:
    """The rows of `relation` that meet `condition`, SQL over its columns; all of them for an empty one."""
    return f"(SELECT * FROM {relation} WHERE {condition})" if condition else relation


def within(relation: str, start_us: int, end_us: int) -> str:
    """The rows of `relation` with start_us <= event_at < end_us, microseconds since 1970."""
    bounds = ((start_us, ">="), (end_us, "<"))
    return where(
        relation,
        " AND ".join(
            f"event_at {comparison} make_timestamptz({moment_us})"
            for moment_us, comparison in bounds
            if moment_us not in (BEGINNING_US, END_US)
        ),
    )


def keyed(relation: str, columns: Iterable[str]) -> str:
    """The rows of `relation` with one more column, `key`: a struct of `columns`, names or other expressions."""
    fields = ", ".join(f"k{number}: {column}" for number, column in enumerate(columns))
    return f"(SELECT *, {{{fields}}} AS key FROM {relation})"


def literal_rows(names: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    """A relation of some rows with columns `names`, of at least one row."""
    listed = ", ".join(
        f"({', '.join(quote(value) if isinstance(value, str) else str(value) for value in row)})" for row in rows
    )
    columns = ", ".join(f'"{name}"' for name in names)
    return f"(SELECT * FROM (VALUES {listed}) AS v({columns}))"


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
    if name in ("accounts", "gaps"):
        return within(f"({query(__file__, f'current_{name}', rows=scan(table, files))})", start_us, end_us)
    rows = candidates or scan(table, between(files, start_us, end_us))
    if name not in _RECORD_NAMES:
        return within(rows, start_us, end_us)
    all_deletes = store.files("deletes")
    deletes = between(all_deletes, start_us - margin_us, END_US)
    updated = replacing_files(table, between(files, start_us - margin_us, END_US))
    replacements = between(store.files("replacements"), start_us - margin_us, END_US)
    relations = {
        "rows": rows,
        "newer": newer_versions(table, scan(table, updated), replacements),
        "deletes": deletes_of(table, deletes),
        "resets": resets_of(deletes),
        "hidden": hidden or f"({query(__file__, 'hidden_accounts', accounts=all_rows(store, 'accounts'))})",
    }
    if name == "posts" and updated and edited:
        early = between(all_deletes, BEGINNING_US, start_us - margin_us)
        relations |= {
            "updates": replacing_rows(table, scan(table, updated)),
            "versions": scan(table, files),
            "early_deletes": deletes_of(table, early),
            "early_resets": resets_of(early),
        }
        return within(f"({query(__file__, 'current_posts', **relations)})", start_us, end_us)
    return within(f"({query(__file__, 'current_records', **relations)})", start_us, end_us)


def replacing_files(table: Table, files: Iterable[DataFile]) -> list[DataFile]:
    """Those of the files of a table of records that can hold versions which replace earlier ones."""
    if table.name == "profiles":
        return list(files)
    return [file for file in files if file.greatest.get("operation") == "update"]


def replacing_rows(table: Table, relation: str) -> str:
    """Those rows of `relation`, versions of records of `table`, that replace earlier ones."""
    # Every account has one profile. So the table is small, and a create replaces an earlier version too.
    return relation if table.name == "profiles" else where(relation, "operation = 'update'")


def newer_versions(table: Table, updated: str, replacements: Iterable[DataFile]) -> str:
    """A relation of `did`, `rkey`, `rev` and `event_at`: what replaces records of `table` of a lower rev.

    `updated`: a relation of rows of `table`, of which those count that replace others. `replacements`: files of that table.
    """
    columns = "did, rkey, rev, event_at"
    noted = _of_collection(table, "replacements", replacements)
    return f"(SELECT {columns} FROM {replacing_rows(table, updated)} UNION ALL SELECT {columns} FROM {noted})"


def deletes_of(table: Table, files: Iterable[DataFile]) -> str:
    """The tombstones of records of `table` in `files`, which belong to `deletes`."""
    return _of_collection(table, "deletes", files)


def _of_collection(table: Table, name: str, files: Iterable[DataFile]) -> str:
    """The rows about records of `table` in `files`, which belong to the table `name`."""
    collection = table.collection or ""
    return where(scan(TABLES[name], _may_hold(files, "collection", collection)), f"collection = {quote(collection)}")


def resets_of(files: Iterable[DataFile]) -> str:
    """The resets of whole repositories in `files`, which belong to `deletes`."""
    return where(scan(TABLES["deletes"], _may_hold(files, "collection", RESET)), "collection = '*' AND rkey = '*'")


def _may_hold(files: Iterable[DataFile], column: str, value: str) -> list[DataFile]:
    """The files that can have `value` in `column`, as far as their statistics tell."""
    found = []
    for file in files:
        least, greatest = file.least.get(column), file.greatest.get(column)
        if (least is None or str(least) <= value) and (greatest is None or str(greatest) >= value):
            found.append(file)
    return found
