"""Which days of which views a refresh computes again, beside those that SQLMesh computes by itself.

SQLMesh computes the days that are missing, the days that were not over yet, and LOOKBACK_DAYS before the newest one.
This module finds the others, the *stale* days. It starts from the days of the lake's tables that have changed:

- The number of the day's rows is another one than at the last refresh. A replay and a purge do that.
- Rows were added to the day, even if as many went. A seal adds none, so it changes no day.
- A row of the day was withdrawn, or a withdrawn one came back.

A row is *withdrawn* when it was a current row of the lake and is none any more. A delete or a reset of the repository
withdraws it, an edit or another newer version takes its place, or its account is no longer active. A like is also withdrawn
from the views with the account whose post it likes.

With a changed day, every day of a view that reads it is stale. The models say how many days before its own a view reads.

Deletes and edits reach months back. So rows that were withdrawn count only on the last VIEWS_WITHDRAWN_DAYS. An older
day is stale only where a view shows a withdrawn post. The rest follows when the maintenance takes the withdrawn rows
out of the files, since the day then has fewer rows.

SQLMesh's own DuckDB keeps what the lake held at the last refresh, and the stale days that wait. So the two never get
out of step.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
from sqlmesh import EngineAdapter

from bluelake.core.clock import to_us
from bluelake.core.settings import Settings
from bluelake.lake.delta import DataFile, Store, appended_by
from bluelake.lake.hours import Hour
from bluelake.lake.query import END_US, between, query, scan
from bluelake.lake.tables import TABLES
from transforms import source

# The tables that views count and show, and the tables that withdraw their rows.
SOURCES = ("posts", "likes", "reposts", "follows")
_WITHDRAWING = ("deletes", "replacements", "accounts")

# A day of one of the lake's tables, and a day of a view.
TableDay = tuple[date, str]
ViewDay = tuple[str, date]
# What each view reads: tables, and of each how many days before its own day.
Reads = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Seen:
    """What a refresh found in the lake.

    `through`: the time up to which it builds. `rows`: the number of rows, for each day of each table. `versions`: each
    table's Delta version. `added`: the days of tables to which rows were added since the refresh before.
    """

    through: datetime
    rows: Mapping[TableDay, int]
    versions: Mapping[str, int] = field(default_factory=dict)
    added: Set[TableDay] = frozenset()


def look(store: Store, now: datetime) -> Seen:
    """What the lake holds. This reads the Delta logs, and no data."""
    rows: dict[TableDay, int] = {}
    versions: dict[str, int] = {}
    for table in (*SOURCES, *_WITHDRAWING):
        # Read before the files: then rows that are added meanwhile are seen twice, and not missed.
        versions[table] = store.table(table).version() if store.exists(table) else -1
        for file in store.files(table):
            key = (file.hour.day, table)
            rows[key] = rows.get(key, 0) + file.rows
    return Seen(now, rows, versions)


def since(store: Store, before: Seen, after: Seen) -> Seen:
    """`after`, with the days to which the commits since `before` added rows. The rewrite of an hour adds none."""
    added = set()
    for table, version in after.versions.items():
        for number in range(before.versions.get(table, version) + 1, version + 1):
            # Delta removes a log entry after some days. Then only the numbers of rows tell.
            with suppress(FileNotFoundError):
                for add in appended_by(store.root / table / "_delta_log" / f"{number:020d}.json"):
                    added.add((Hour.from_partition(add["partitionValues"]).day, table))
    return replace(after, added=added)


def first_day(seen: Seen) -> date:
    """The earliest day with rows, or the day of `seen.through` where that is earlier."""
    return min([seen.through.date(), *(day for day, table in seen.rows if table in SOURCES)])


def earliest_known(database: Path) -> date | None:
    """The earliest day that an earlier refresh counted or left stale, from SQLMesh's `database`. None where there is none.

    A lake may lose its first days. A refresh then computes them once more. Raises duckdb.Error.
    """
    if not database.exists():
        return None
    with duckdb.connect(str(database)) as connection:
        try:
            found = connection.execute(
                "SELECT min(day) FROM (SELECT day FROM refreshes.rows_by_day WHERE list_contains(?, source) "
                "UNION ALL SELECT day FROM refreshes.stale)",
                [list(SOURCES)],
            ).fetchone()
        except duckdb.CatalogException:
            return None
    return found[0] if found else None


def recall(adapter: EngineAdapter) -> Seen | None:
    """What the last refresh found. None before the first one."""
    _create_tables(adapter)
    found = adapter.fetchall("SELECT through FROM refreshes.last")
    if not found:
        return None
    rows = adapter.fetchall("SELECT day, source, row_count FROM refreshes.rows_by_day")
    versions = dict(adapter.fetchall("SELECT source, version FROM refreshes.versions"))
    return Seen(found[0][0], {(day, table): count for day, table, count in rows}, versions)


def remember(adapter: EngineAdapter, seen: Seen, stale: Iterable[ViewDay]) -> None:
    """Keep for the next refresh what this one found, and add to the list of stale days."""
    cursor = adapter.cursor
    cursor.execute("BEGIN")
    cursor.execute("DELETE FROM refreshes.last")
    cursor.execute("DELETE FROM refreshes.rows_by_day")
    cursor.execute("DELETE FROM refreshes.versions")
    cursor.execute("INSERT INTO refreshes.last VALUES (?)", [seen.through])
    if seen.rows:
        values = [[day, table, count] for (day, table), count in seen.rows.items()]
        cursor.executemany("INSERT INTO refreshes.rows_by_day VALUES (?, ?, ?)", values)
    if seen.versions:
        cursor.executemany("INSERT INTO refreshes.versions VALUES (?, ?)", list(map(list, seen.versions.items())))
    for view, day in stale:
        cursor.execute("INSERT OR IGNORE INTO refreshes.stale VALUES (?, ?, ?)", [view, day, seen.through])
    cursor.execute("COMMIT")


def waiting(adapter: EngineAdapter, views: Collection[str]) -> dict[date, list[str]]:
    """The stale days of `views`, each with the views for which it is stale.

    The day that has waited longest comes first, so that none waits for ever. Of two that are equal, the newer one comes
    first.
    """
    adapter.cursor.execute(
        "SELECT day, list(view ORDER BY view) FROM refreshes.stale WHERE list_contains(?, view) "
        "GROUP BY day ORDER BY min(since), day DESC",
        [list(views)],
    )
    return dict(adapter.cursor.fetchall())


def discard(adapter: EngineAdapter, days: Iterable[ViewDay]) -> None:
    """Remove computed days from the list of stale days."""
    for view, day in days:
        adapter.cursor.execute("DELETE FROM refreshes.stale WHERE view = ? AND day = ?", [view, day])


def changed(before: Seen, after: Seen, tables: Iterable[str] = SOURCES) -> set[TableDay]:
    """Days of `tables` that have another number of rows than before, or to which rows were added."""
    counted = {key for key in before.rows.keys() | after.rows.keys() if before.rows.get(key) != after.rows.get(key)}
    wanted = frozenset(tables)
    return {(day, table) for day, table in counted | after.added if table in wanted}


def readers(days: Iterable[TableDay], reads: Reads, last: date) -> set[ViewDay]:
    """The days of views, up to `last`, that read one of `days`."""
    return {
        (view, day + timedelta(days=after))
        for day, table in days
        for view, tables in reads.items()
        for after in range(tables[table] + 1 if table in tables else 0)
        if day + timedelta(days=after) <= last
    }


def stale(
    adapter: EngineAdapter, store: Store, settings: Settings, before: Seen, after: Seen, reads: Reads
) -> set[ViewDay]:
    """The days of views that the lake's changes between `before` and `after` make stale."""
    news = {table: scan(TABLES[table], _news(store, table, before, after)) for table in ("posts", *_WITHDRAWING)}
    earliest_us = to_us(after.through - timedelta(days=settings.views_withdrawn_days))
    days = changed(before, after) | _withdrawn(adapter, store, news, earliest_us)
    with source.reading(store, settings):
        accounts = source.relation("accounts", None, None)
    shown = query(
        __file__,
        "withdrawn_days",
        deletes=news["deletes"],
        replacements=news["replacements"],
        posts=news["posts"],
        accounts=accounts,
    )
    showing = adapter.fetchall(shown)
    return readers(days, reads, after.through.date()) | {(view, day) for view, day in showing}


def _withdrawn(adapter: EngineAdapter, store: Store, news: Mapping[str, str], earliest_us: int) -> set[TableDay]:
    """Days of tables from `earliest_us` on with a row that the rows of `news` withdraw or bring back."""
    found = set()
    for name in SOURCES:
        table = TABLES[name]
        rows = scan(table, between(store.files(name), earliest_us, END_US))
        subject = "subject_did" if name == "likes" else "NULL::VARCHAR"
        text = query(
            __file__,
            "withdrawn_rows_days",
            rows=f"(SELECT *, {subject} AS subject FROM {rows})",
            deletes=news["deletes"],
            replacements=news["replacements"],
            accounts=news["accounts"],
            updates=news["posts"] if name == "posts" else scan(table, ()),
        )
        adapter.cursor.execute(text, {"collection": table.collection})
        found |= {(day, name) for (day,) in adapter.cursor.fetchall()}
    return found


def _news(store: Store, table: str, before: Seen, after: Seen) -> list[DataFile]:
    """The files of the days of which the rows of `table` changed."""
    days = {day for day, _ in changed(before, after, [table])}
    return [file for file in store.files(table) if file.hour.day in days]


def _create_tables(adapter: EngineAdapter) -> None:
    adapter.execute("CREATE SCHEMA IF NOT EXISTS refreshes")
    adapter.execute("CREATE TABLE IF NOT EXISTS refreshes.last (through TIMESTAMPTZ)")
    adapter.execute("CREATE TABLE IF NOT EXISTS refreshes.rows_by_day (day DATE, source VARCHAR, row_count BIGINT)")
    adapter.execute("CREATE TABLE IF NOT EXISTS refreshes.versions (source VARCHAR, version BIGINT)")
    adapter.execute(
        "CREATE TABLE IF NOT EXISTS refreshes.stale (view VARCHAR, day DATE, since TIMESTAMPTZ, PRIMARY KEY (view, day))"
    )
