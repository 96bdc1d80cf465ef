"""Reading back what a refresh published."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from bluelake.core.settings import Settings
from bluelake.lake.views import current


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
