"""Which days have to be computed again, beside those that SQLMesh computes by itself.

By itself it computes what it never has, what was not over yet, and LOOKBACK_DAYS before that. Here are the others: days
whose rows in the lake became more or fewer (a replay, a purge), and days that show what has been withdrawn since.
What the lake held at the last refresh is kept in SQLMesh's own DuckDB, so that the two are never out of step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from sqlmesh import EngineAdapter

from core.settings import Settings
from lake.store import Store
from transforms import source

SOURCES = ("posts", "likes", "reposts", "follows")
_WITHDRAWN_SQL = Path(__file__).parent / "sql" / "withdrawn_days.sql"
# A delete may have been committed to the lake so long after the time that it carries.
_LATENESS = timedelta(days=2)

RowsByDay = Mapping[tuple[date, str], int]


@dataclass(frozen=True)
class Seen:
    """What a refresh found in the lake: rows a day and table, and the time that it was asked to build up to."""

    through: datetime
    rows: RowsByDay


def look(store: Store, now: datetime) -> Seen:
    """What the lake holds, by the log alone: no data is read."""
    rows: dict[tuple[date, str], int] = {}
    for table in SOURCES:
        for file in store.files(table):
            key = (date.fromisoformat(file.hour[:10]), table)
            rows[key] = rows.get(key, 0) + file.rows
    return Seen(now, rows)


def first_day(seen: Seen) -> date:
    """The lake's earliest day of events; the current one where it has none that early."""
    return min([seen.through.date(), *(day for day, _ in seen.rows)])


def recall(adapter: EngineAdapter) -> Seen | None:
    """What the last refresh that succeeded found; None where there was none."""
    _create_tables(adapter)
    found = adapter.fetchall("SELECT through FROM refreshes.last")
    if not found:
        return None
    rows = adapter.fetchall("SELECT day, source, row_count FROM refreshes.rows_by_day")
    return Seen(found[0][0], {(day, table): count for day, table, count in rows})


def remember(adapter: EngineAdapter, seen: Seen) -> None:
    """Keep what this refresh found for the next one."""
    cursor = adapter.cursor
    cursor.execute("BEGIN")
    cursor.execute("DELETE FROM refreshes.last")
    cursor.execute("DELETE FROM refreshes.rows_by_day")
    cursor.execute("INSERT INTO refreshes.last VALUES (?)", [seen.through])
    if seen.rows:
        values = [[day, table, count] for (day, table), count in seen.rows.items()]
        cursor.executemany("INSERT INTO refreshes.rows_by_day VALUES (?, ?, ?)", values)
    cursor.execute("COMMIT")


def changed_days(before: Seen, after: Seen) -> set[date]:
    """Days of which the lake has more or fewer rows than before."""
    keys = before.rows.keys() | after.rows.keys()
    return {day for day, table in keys if before.rows.get((day, table)) != after.rows.get((day, table))}


def withdrawn_days(adapter: EngineAdapter, store: Store, settings: Settings, before: Seen) -> set[date]:
    """Days whose views show a post that was deleted, or whose author went, after what was seen `before`."""
    with source.reading(store, settings):
        deletes = source.relation("deletes", before.through - _LATENESS, None)
        accounts = source.relation("accounts", None, None)
    query = _WITHDRAWN_SQL.read_text(encoding="utf-8").format(deletes=deletes, accounts=accounts)
    return {day for (day,) in adapter.fetchall(query)}


def spans(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days as runs without a gap, each by its first and last day."""
    ordered = sorted(set(days))
    if not ordered:
        return []
    breaks = [(left, right) for left, right in pairwise(ordered) if right - left > timedelta(days=1)]
    firsts = [ordered[0], *(right for _, right in breaks)]
    lasts = [*(left for left, _ in breaks), ordered[-1]]
    return list(zip(firsts, lasts, strict=True))


def _create_tables(adapter: EngineAdapter) -> None:
    adapter.execute("CREATE SCHEMA IF NOT EXISTS refreshes")
    adapter.execute("CREATE TABLE IF NOT EXISTS refreshes.last (through TIMESTAMPTZ)")
    adapter.execute("CREATE TABLE IF NOT EXISTS refreshes.rows_by_day (day DATE, source VARCHAR, row_count BIGINT)")
