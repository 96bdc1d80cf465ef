"""What a table holds: relations of every row or the current ones, DuckDB connections, SQL and loaders."""

from bluelake.lake.query.duck import connect, ensure_spill, spill_folder
from bluelake.lake.query.loaders import load
from bluelake.lake.query.relations import (
    BEGINNING_US,
    END_US,
    all_rows,
    between,
    current_rows,
    quote,
    replacing,
    scan,
    sql_template,
)
from bluelake.lake.query.sql import Result, run_sql

__all__ = [
    "BEGINNING_US",
    "END_US",
    "Result",
    "all_rows",
    "between",
    "connect",
    "current_rows",
    "ensure_spill",
    "load",
    "quote",
    "replacing",
    "run_sql",
    "scan",
    "spill_folder",
    "sql_template",
]
