"""The lake for notebooks: `import bluelake; bluelake.load("posts", "2026-07-04", "2026-07-05")`."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from bluelake.core.clock import to_us
from bluelake.core.settings import Settings, load_settings, require_home
from bluelake.lake.delta import Store
from bluelake.lake.errors import QueryError
from bluelake.lake.query.duck import connect
from bluelake.lake.query.relations import BEGINNING_US, END_US, all_rows, current_rows
from bluelake.lake.tables import TABLES

if TYPE_CHECKING:
    import polars as pl

Moment = datetime | date | str


def load(
    name: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    current: bool = True,
    settings: Settings | None = None,
) -> "pl.LazyFrame":
    """Rows of table `name` with start <= event_at < end as a Polars LazyFrame; nothing is read until it is collected.

    `start`, `end`: datetimes (UTC where they do not say), dates or ISO 8601 texts; None is no bound. `current=False`: every
    row, also of what was deleted or replaced; then both bounds must be None. The files are those of this moment.
    Raises QueryError for a table that there is none of or a time that is none.
    """
    if name not in TABLES:
        raise QueryError(f"{name}: no such table; there are: {', '.join(sorted(TABLES))}")
    chosen = settings or load_settings()
    require_home(chosen, create=False)
    store = Store(chosen.lake_dir)
    if current:
        margin_us = chosen.dedupe_margin_us
        relation = current_rows(store, name, _bound(start, BEGINNING_US), _bound(end, END_US), margin_us)
    elif start is None and end is None:
        relation = all_rows(store, name)
    else:
        raise QueryError("current=False takes no start or end; filter on event_at")
    frame: pl.LazyFrame = connect(chosen).sql(f"FROM {relation}").pl(lazy=True)
    return frame


def _bound(moment: Moment | None, default: int) -> int:
    if moment is None:
        return default
    try:
        parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        raise QueryError(f"{moment}: not a time; use YYYY-MM-DD or an RFC 3339 time") from None
    if not isinstance(parsed, datetime):
        parsed = datetime(parsed.year, parsed.month, parsed.day)
    return to_us(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
