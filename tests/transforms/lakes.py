"""Small lakes of real Delta tables, and reading back what a refresh published of them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.tables import TABLES
from bluelake.lake.views import current

POST = "app.bsky.feed.post"
LIKE = "app.bsky.feed.like"


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time in July 2026, UTC."""
    return datetime(2026, 7, day, hour, minute, tzinfo=UTC)


class SmallLake:
    """The lake of `settings`, into which single rows are committed."""

    def __init__(self, settings: Settings) -> None:
        self._store = Store(settings.lake_dir)
        self._store.create_tables()

    def add(self, name: str, *rows: dict[str, Any]) -> None:
        """Commit `rows` to the table `name`; columns that a row does not name are NULL."""
        table = TABLES[name]
        complete = []
        for row in rows:
            hour = dict(zip(("year", "month", "day", "hour"), f"{row['event_at']:%Y %m %d %H}".split(), strict=True))
            defaults = {"operation": "create", "user_did": "other", "rev": 1, **hour}
            complete.append({field.name: row.get(field.name, defaults.get(field.name)) for field in table.schema})
        data = pa.Table.from_pylist(complete, schema=table.schema)
        flush = self._store.committed_flush(name) + 1
        assert self._store.append(table, data, flush, {}) is not None

    def post(self, did: str, rkey: str, event_at: datetime, **columns: Any) -> None:
        """Commit one post."""
        self.add("posts", {"did": did, "rkey": rkey, "event_at": event_at, "text": f"{did} {rkey}", **columns})

    def like(self, did: str, rkey: str, event_at: datetime, author: str, post: str) -> None:
        """Commit one like of the post `post` by `author`."""
        subject = {"subject_did": author, "subject_rkey": post, "subject_collection": POST}
        self.add("likes", {"did": did, "rkey": rkey, "event_at": event_at, **subject})

    def delete(self, did: str, rkey: str, event_at: datetime, collection: str = POST) -> None:
        """Commit the delete of one record."""
        self.add("deletes", {"did": did, "rkey": rkey, "rev": 9, "event_at": event_at, "collection": collection})

    def account(self, did: str, event_at: datetime, *, active: bool) -> None:
        """Commit an account event."""
        self.add("accounts", {"did": did, "event_at": event_at, "kind": "account", "active": active, "seq": 1})


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
