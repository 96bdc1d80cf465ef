"""Published views: the swap, what readers see, and what is refused."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from bluelake.core.settings import Settings
from bluelake.lake.errors import NoViewsError
from bluelake.lake.views import published as views
from bluelake.lake.views.published import ColumnInfo, CorruptViewsError, PublishError, UnknownViewError, ViewInfo

NOW = datetime(2026, 7, 4, 12, tzinfo=UTC)
COUNTS = ViewInfo("counts", "Numbers from 0.", 3, (ColumnInfo("n", "BIGINT", "The number"),))


def build(settings: Settings, rows: int = 3, name: str = "build.duckdb") -> Path:
    settings.views_dir.mkdir(exist_ok=True)
    file = settings.views_dir / name
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"CREATE TABLE counts AS SELECT range AS n FROM range({rows})")
    return file


def versions(settings: Settings) -> list[str]:
    return sorted(file.name for file in views.published_dir(settings).glob("views-*.duckdb"))


def test_nothing_is_published_at_first(lake_settings: Settings) -> None:
    assert views.current(lake_settings) is None
    with pytest.raises(NoViewsError, match="refresh"):
        views.read(lake_settings, "counts", 10)


def test_what_is_published_is_read(lake_settings: Settings) -> None:
    file = build(lake_settings)
    published = views.publish(lake_settings, file, [COUNTS], now=NOW)
    assert not file.exists()
    assert views.current(lake_settings) == published
    assert (published.published_at, published.views) == (NOW, (COUNTS,))
    pointer = json.loads((views.published_dir(lake_settings) / "current.json").read_text())
    assert pointer["file"] == f"views-{published.version}.duckdb"
    page = views.read(lake_settings, "counts", 2, 1)
    assert (page.rows, page.total, page.columns) == ([(1,), (2,)], 3, COUNTS.columns)
    assert views.read(lake_settings, "counts", 2, 99).rows == []
    columns, rows = views.iterate(lake_settings, "counts")
    assert (columns, list(rows)) == (COUNTS.columns, [(0,), (1,), (2,)])


def test_readers_of_one_file_share_no_spill(lake_settings: Settings) -> None:
    file = views.publish(lake_settings, build(lake_settings), [COUNTS], now=NOW).file
    with views.connect_read_only(file) as connection:
        assert connection.execute("SELECT current_setting('temp_directory')").fetchone() == ("",)


@pytest.mark.parametrize("name", ["nope", "", 'x"; DROP TABLE counts; --', "../counts", "Counts"])
def test_an_unknown_view_is_named(lake_settings: Settings, name: str) -> None:
    views.publish(lake_settings, build(lake_settings), [COUNTS])
    with pytest.raises(UnknownViewError, match="there are: counts"):
        views.read(lake_settings, name, 1)
    with pytest.raises(UnknownViewError):
        views.iterate(lake_settings, name)


def test_a_reader_finishes_on_the_version_that_it_opened(lake_settings: Settings) -> None:
    views.publish(lake_settings, build(lake_settings, 30_000), [COUNTS], now=NOW)
    _, rows = views.iterate(lake_settings, "counts")
    next(rows)
    for days in range(1, 6):
        views.publish(lake_settings, build(lake_settings, 5), [COUNTS], now=NOW + timedelta(days=days))
    assert len(versions(lake_settings)) == 3
    assert sum(1 for _ in rows) == 29_999
    assert views.read(lake_settings, "counts", 1).total == 5


def test_old_versions_go_after_their_grace_but_never_the_current_one(lake_settings: Settings) -> None:
    for minutes in (0, 1, 2, 3, 4):
        views.publish(lake_settings, build(lake_settings), [COUNTS], now=NOW + timedelta(minutes=minutes))
    assert len(versions(lake_settings)) == 5
    views.publish(lake_settings, build(lake_settings), [COUNTS], now=NOW + timedelta(minutes=18, seconds=30))
    # Those of minutes 0 to 2 are past the newest three and older than 15 minutes.
    assert len(versions(lake_settings)) == 3
    # A clock that was set back makes a version that sorts below the others.
    published = views.publish(lake_settings, build(lake_settings, 7), [COUNTS], now=NOW - timedelta(days=9))
    assert published.file.name in versions(lake_settings)
    assert views.read(lake_settings, "counts", 1).total == 7


def test_readers_never_fail_while_versions_are_swapped(lake_settings: Settings) -> None:
    views.publish(lake_settings, build(lake_settings, 1), [COUNTS], now=NOW)
    failures: list[BaseException] = []
    totals: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            try:
                totals.add(views.read(lake_settings, "counts", 1).total)
            except BaseException as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for days in range(2, 12):
        views.publish(lake_settings, build(lake_settings, days), [COUNTS], now=NOW + timedelta(days=days))
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert totals


def test_a_version_that_vanishes_gives_way_to_the_next(
    lake_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = views.publish(lake_settings, build(lake_settings, 1), [COUNTS], now=NOW)
    views.publish(lake_settings, build(lake_settings, 2), [COUNTS], now=NOW + timedelta(hours=1))
    old.file.unlink()
    told = iter([old])
    newest = views.current
    monkeypatch.setattr(views, "current", lambda settings: next(told, None) or newest(settings))
    assert views.read(lake_settings, "counts", 1).total == 2


def test_a_build_that_is_not_finished_is_refused(lake_settings: Settings) -> None:
    published = views.publish(lake_settings, build(lake_settings), [COUNTS])
    with pytest.raises(PublishError, match="no such file"):
        views.publish(lake_settings, lake_settings.views_dir / "none.duckdb", [COUNTS])
    file = build(lake_settings)
    with pytest.raises(PublishError, match="lacks other"):
        views.publish(lake_settings, file, [COUNTS, ViewInfo("other", "", 0, ())])
    file.with_name(f"{file.name}.wal").write_bytes(b"x")
    with pytest.raises(PublishError, match="write-ahead"):
        views.publish(lake_settings, file, [COUNTS])
    file.with_name(f"{file.name}.wal").unlink()
    file.write_bytes(b"not a database")
    with pytest.raises(PublishError, match="cannot be opened"):
        views.publish(lake_settings, file, [COUNTS])
    assert views.current(lake_settings) == published


def test_a_damaged_publication_says_so(lake_settings: Settings) -> None:
    published = views.publish(lake_settings, build(lake_settings), [COUNTS])
    published.file.write_bytes(b"not a database")
    with pytest.raises(CorruptViewsError, match="cannot be opened"):
        views.read(lake_settings, "counts", 1)
    (views.published_dir(lake_settings) / "current.json").write_text("{}")
    with pytest.raises(CorruptViewsError, match="refresh"):
        views.current(lake_settings)
