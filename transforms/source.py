"""Opens the lake for the macro `@lake(…)`, which reads its current rows.

SQLMesh copies a macro's source into the model, with everything that the source names. So a macro cannot hold an open
store. This module holds it, and the macro imports `relation` when it runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from bluelake.core.clock import to_us
from bluelake.core.settings import Settings, load_settings
from bluelake.lake.delta import Store
from bluelake.lake.query import END_US, current_rows, scan
from bluelake.lake.tables import TABLES

_open: list[tuple[Store, int]] = []


@contextmanager
def reading(store: Store, settings: Settings) -> Iterator[None]:
    """Let `relation` read `store` inside the block. Use it from one thread at a time; a refresh holds a lock."""
    _open.append((store, _margin_us(settings)))
    try:
        yield
    finally:
        _open.pop()


def relation(table: str, start: datetime | None, end: datetime | None) -> str:
    """SQL of the current rows of `table` with start <= event_at < end. None leaves that side open.

    Outside `reading`, it opens the lake that the environment's settings name. SQLMesh's own command needs that.
    """
    if not _open:
        settings = load_settings()
        _open.append((Store(settings.lake_dir), _margin_us(settings)))
    store, margin_us = _open[-1]
    if start is None:
        return current_rows(store, table, margin_us=margin_us)
    return current_rows(store, table, to_us(start), END_US if end is None else to_us(end), margin_us)


def nothing(table: str) -> str:
    """SQL of no rows with the columns of `table`."""
    return scan(TABLES[table], ())


def _margin_us(settings: Settings) -> int:
    return settings.dedupe_margin_us
