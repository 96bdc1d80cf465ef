"""What the macro `@lake(…)` reads: the current rows of one lake, opened by whoever runs the project.

SQLMesh copies the source of a macro and everything it names into the model, so that a macro cannot hold an open store.
The macro therefore imports `relation` when it is called, and the store is kept here.
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
    """Let `relation` read `store` inside the block. One thread at a time: a refresh holds a lock anyway."""
    _open.append((store, _margin_us(settings)))
    try:
        yield
    finally:
        _open.pop()


def relation(table: str, start: datetime | None, end: datetime | None) -> str:
    """SQL of the current rows of `table` with start <= event_at < end; None leaves that side open.

    Outside `reading`, as under SQLMesh's own command, it is the lake that the environment's settings name.
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
