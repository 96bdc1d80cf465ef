"""Copies the finished views from SQLMesh's DuckDB into a file of their own, which readers may open."""

from collections.abc import Set
from dataclasses import replace
from pathlib import Path

from sqlmesh import Context
from sqlmesh.core.model import SqlModel

from bluelake.lake.query import quote
from bluelake.lake.views import ColumnInfo, Published, ViewInfo
from transforms.project import SCHEMA, view_models, view_name


def copy_views(context: Context, target: Path, failed: Set[str], before: Published | None) -> list[ViewInfo]:
    """Write every view as a commented table of a new DuckDB file at `target`, and describe them.

    Of the views in `failed` it copies the rows of `before`, the last published version. It leaves out one that is not in
    there.
    """
    for leftover in (target, target.with_name(target.name + ".wal")):
        leftover.unlink(missing_ok=True)
    adapter = context.engine_adapter
    adapter.execute(f"ATTACH {quote(str(target))} AS published")
    try:
        views = [
            _copy_last_good(context, model, before) if view_name(model) in failed else _copy(context, model)
            for model in view_models(context)
        ]
        return [view for view in views if view is not None]
    finally:
        # Detaching writes everything into the one file.
        adapter.execute("DETACH published")


def _copy(context: Context, model: SqlModel) -> ViewInfo:
    adapter, name = context.engine_adapter, view_name(model)
    table = f'published.main."{name}"'
    # The first column of a view is its time; readers want the newest first. The second orders the rows of one time.
    adapter.execute(f'CREATE TABLE {table} AS SELECT * FROM {SCHEMA}."{name}" ORDER BY 1 DESC, 2')
    columns = tuple(
        ColumnInfo(column, str(column_type), model.column_descriptions[column])
        for column, column_type, *_ in adapter.fetchall(f"DESCRIBE {table}")
    )
    [(rows,)] = adapter.fetchall(f"SELECT count(*) FROM {table}")
    view = ViewInfo(name, model.description or "", int(rows), columns)
    _comment(context, table, view)
    return view


def _copy_last_good(context: Context, model: SqlModel, before: Published | None) -> ViewInfo | None:
    """Copy a view as `before` has it; None where it has none."""
    name = view_name(model)
    view = next((view for view in before.views if view.name == name), None) if before else None
    if before is None or view is None:
        return None
    adapter, table = context.engine_adapter, f'published.main."{name}"'
    adapter.execute(f"ATTACH {quote(str(before.file))} AS last_good (READ_ONLY)")
    try:
        adapter.execute(f'CREATE TABLE {table} AS SELECT * FROM last_good.main."{name}"')
    finally:
        adapter.execute("DETACH last_good")
    _comment(context, table, view)
    return replace(view, stale_since=view.stale_since or before.published_at)


def _comment(context: Context, table: str, view: ViewInfo) -> None:
    """Write a view's descriptions into its table."""
    adapter = context.engine_adapter
    adapter.execute(f"COMMENT ON TABLE {table} IS {quote(view.description)}")
    for column in view.columns:
        adapter.execute(f'COMMENT ON COLUMN {table}."{column.name}" IS {quote(column.description)}')
