"""Any SQL over the lake, read-only: the current views and the `_all` ones, over the files of this moment."""

import re
from dataclasses import dataclass

import duckdb

from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.errors import QueryError
from bluelake.lake.query.duck import connect, create_views

_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(?:ANALYZE\s+)?(?:\([^)]*\)\s*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Result:
    """Column names, and rows as Python values."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


def run_sql(settings: Settings, text: str) -> Result:
    """Run one statement of SQL. Nothing but the lake's files can be read, and nothing can be written.

    Raises QueryError with DuckDB's reason.
    """
    store = Store(settings.lake_dir)
    connection = connect(settings)
    try:
        create_views(connection, store, margin_us=settings.dedupe_margin_us)
        _confine(connection, settings)
        statements = connection.extract_statements(text)
        if len(statements) != 1:
            raise QueryError(f"{len(statements)} statements: give one")
        _require_query(connection, statements[0])
        cursor = connection.execute(statements[0])
        columns = tuple(column[0] for column in cursor.description or ())
        return Result(columns, cursor.fetchall())
    except duckdb.Error as error:
        raise QueryError(str(error).strip()) from error
    finally:
        connection.close()


def _require_query(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> None:
    """Raises QueryError unless `statement`, or what it explains (EXPLAIN ANALYZE runs it), is a query."""
    kind = statement.type
    if kind == duckdb.StatementType.EXPLAIN:
        inner = connection.extract_statements(_EXPLAIN.sub("", statement.query, count=1))
        kind = inner[0].type if len(inner) == 1 else kind
    if kind != duckdb.StatementType.SELECT:
        raise QueryError("only queries can be run: SELECT, WITH, FROM, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN of one")


def _confine(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Close the way to files outside the lake, to extensions, and to settings that would open it again."""
    # DuckDB adds the folder that this connection spills into.
    connection.execute(f"SET allowed_directories = ['{_escaped(settings.lake_dir)}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _escaped(path: object) -> str:
    return str(path).replace("'", "''")
