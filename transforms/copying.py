"""Copies the finished views from SQLMesh's DuckDB into a file of their own, which readers may open."""

from pathlib import Path

from sqlmesh import Context
from sqlmesh.core.model import SqlModel

from bluelake.lake.query import quote
from bluelake.lake.views import ColumnInfo, ViewInfo
from transforms.project import SCHEMA, view_models, view_name


def copy_views(context: Context, target: Path) -> list[ViewInfo]:
    """Write every view as a commented table of a new DuckDB file at `target`, and describe them."""
    for leftover in (target, target.with_name(target.name + ".wal")):
        leftover.unlink(missing_ok=True)
    adapter = context.engine_adapter
    adapter.execute(f"ATTACH {quote(str(target))} AS published")
    try:
        return [_copy(context, model) for model in view_models(context)]
    finally:
        # Detaching writes everything into the one file.
        adapter.execute("DETACH published")


def _copy(context: Context, model: SqlModel) -> ViewInfo:
    adapter, name = context.engine_adapter, view_name(model)
    table = f'published.main."{name}"'
    # The first column of a view is its time; readers want the newest first. The second orders the rows of one time.
    adapter.execute(f'CREATE TABLE {table} AS SELECT * FROM {SCHEMA}."{name}" ORDER BY 1 DESC, 2')
    description = model.description or ""
    adapter.execute(f"COMMENT ON TABLE {table} IS {quote(description)}")
    columns = tuple(
        ColumnInfo(column, str(column_type), model.column_descriptions[column])
        for column, column_type, *_ in adapter.fetchall(f"DESCRIBE {table}")
    )
    for column in columns:
        adapter.execute(f'COMMENT ON COLUMN {table}."{column.name}" IS {quote(column.description)}')
    [(rows,)] = adapter.fetchall(f"SELECT count(*) FROM {table}")
    return ViewInfo(name, description, int(rows), columns)
