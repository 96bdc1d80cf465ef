"""Publishing a small view, and reading back what was published."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from bluelake.core.settings import Settings
from bluelake.lake.views import ColumnInfo, ViewInfo, current, publish


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time in July 2026, UTC."""
    return datetime(2026, 7, day, hour, minute, tzinfo=UTC)


def published_file(settings: Settings) -> Path:
    """The published DuckDB file that is current."""
    published = current(settings)
    assert published is not None
    return published.file


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """The result of `sql` over the published views; its times as text, UTC."""
    with duckdb.connect(str(published_file(settings)), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def publish_view(settings: Settings, *, now: datetime | None = None, stale_since: datetime | None = None) -> None:
    """Publish at `now` a view `ranks` of three rows, whose rows are of `stale_since`."""
    build = settings.views_dir / "build.duckdb"
    build.parent.mkdir(exist_ok=True)
    with duckdb.connect(str(build)) as connection:
        connection.execute("CREATE TABLE ranks AS SELECT rank, 'tag' || rank AS tag FROM range(1, 4) AS r(rank)")
    columns = (ColumnInfo("rank", "BIGINT", "1 is the first."), ColumnInfo("tag", "VARCHAR", "A hashtag."))
    publish(settings, build, [ViewInfo("ranks", "Hashtags by rank.", 3, columns, stale_since)], now=now)
