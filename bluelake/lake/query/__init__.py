"""What a table holds: relations of every row or the current ones, DuckDB connections, SQL and loaders."""

from bluelake.lake.query.duck import connect, ensure_spill, spill_folder
from bluelake.lake.query.loaders import load
from bluelake.lake.query.relations import (
    BEGINNING_US,
    END_US,
    all_rows,
    between,
    current_rows,
    deletes_of,
    keyed,
    literal_rows,
    newer_versions,
    quote,
    replacing_files,
    replacing_rows,
    resets_of,
    scan,
    where,
    within,
)
from bluelake.lake.query.sql import Result, run_sql
from bluelake.lake.query.statements import query, statement

__all__ = [
    "BEGINNING_US",
    "END_US",
    "Result",
    "all_rows",
    "between",
    "connect",
    "current_rows",
    "deletes_of",
    "ensure_spill",
    "keyed",
    "literal_rows",
    "load",
    "newer_versions",
    "query",
    "quote",
    "replacing_files",
    "replacing_rows",
    "resets_of",
    "run_sql",
    "scan",
    "spill_folder",
    "statement",
    "where",
    "within",
]
