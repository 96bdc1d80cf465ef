"""What must not be published is not: audits find broken rows, and changed models are applied without a question."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmesh import Context
from sqlmesh.core.console import NoopConsole

from bluelake.core.settings import Settings
from bluelake.core.status import read_status
from bluelake.lake.views import current
from tests.support.lakes import Lake as SmallLake
from tests.support.published import at, rows
from tests.support.refreshes import copy_of, made_once, project_of, settings_of
from transforms.errors import AuditFailedError, BuildError
from transforms.project import open_project
from transforms.refresh import refresh


def fill(settings: Settings) -> SmallLake:
    """A lake with a row for every view."""
    lake = SmallLake(settings)
    lake.post("ann", "a1", at(3, 8), langs=["en"], hashtags=["Cats"])
    lake.post("bob", "b1", at(3, 9), langs=["en"], hashtags=["Dogs"])
    lake.like("cat", "l1", at(3, 9), "ann", "a1")
    lake.like("cat", "l2", at(3, 9), "bob", "b1")
    return lake


def filled(settings: Settings) -> None:
    """The lake with a row for every view, refreshed."""
    fill(settings)
    refresh(settings, now=at(3, 10))


@pytest.fixture(scope="module")
def built(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """The project after a refresh, open."""
    settings = settings_of(tmp_path_factory.mktemp("home"))
    copy_of(made_once(run_folder / filled.__name__, filled), settings.home)
    with open_project(settings, NoopConsole(), start=at(3, 0).date()) as context:
        yield context


BROKEN = [
    ("posts_by_hour", "hour = hour + INTERVAL 1 MINUTE"),
    ("posts_by_hour", "lang = NULL"),
    ("posts_by_hour", "replies = posts + 1"),
    ("posts_by_hour", "authors = 0"),
    ("posts_by_hour", "hour = '2026-07-03 08:00:00+00'"),
    ("active_users_daily", "likers = active + 1"),
    ("active_users_daily", "posters = 0, likers = 0"),
    ("trending_hashtags_daily", "rank = 1"),
    ("trending_hashtags_daily", "rank = rank + 1000"),
    ("trending_hashtags_daily", "hashtag = 'cats', as_written = 'cats'"),
    ("trending_hashtags_daily", "growth = -2"),
    ("most_liked_posts_daily", "likes = 0"),
    ("most_liked_posts_daily", "author_did = 'eve'"),
    ("most_liked_posts_daily", "posted_at = NULL"),
    ("most_liked_posts_daily", "uri = NULL"),
]


@pytest.mark.parametrize(("view", "defect"), BROKEN, ids=[f"{view}: {defect}" for view, defect in BROKEN])
def test_an_audit_finds(built: Context, view: str, defect: str) -> None:
    [model] = [model for model in built.models.values() if model.name == f"views.{view}"]
    table = built.table_name(model.name, "prod")
    adapter = built.engine_adapter

    def passes() -> bool:
        return built.audit(at(3, 0), at(4, 0), models=iter([model.name]), execution_time=at(3, 10))

    assert passes()
    adapter.execute(f"CREATE OR REPLACE TEMP TABLE sound AS SELECT * FROM {table}")
    adapter.execute(f"UPDATE {table} SET {defect}")
    try:
        assert not passes()
    finally:
        adapter.execute(f"DELETE FROM {table}")
        adapter.execute(f"INSERT INTO {table} SELECT * FROM sound")


def change(project: Path, view: str, old: str, new: str) -> None:
    """Replace a part of a model's file."""
    path = project / "models" / f"{view}.sql"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_view_that_fails_an_audit_keeps_its_last_good_rows_and_holds_nobody_back(lake_settings: Settings) -> None:
    project = project_of(lake_settings.home, "active_users_daily", audits=True)
    lake = fill(lake_settings)
    refresh(lake_settings, now=at(3, 10), project=project)
    first = current(lake_settings)
    assert first is not None
    lake.post("eve", "e1", at(3, 10, 30))
    lake.like("dan", "l3", at(3, 10, 40), "bob", "b1")
    change(project, "active_users_daily", "count(*) AS active", "-count(*) AS active")
    for hour in (11, 12):
        with pytest.raises(
            AuditFailedError,
            match=r"(?s)active_users_daily held back with the last good rows.*'forall' audit error: 1 row failed.*SELECT",
        ):
            refresh(lake_settings, now=at(3, hour), project=project)
        published = current(lake_settings)
        assert published is not None
        assert published.version != first.version
        assert {view.name: view.stale_since for view in published.views} == {
            "active_users_daily": first.published_at,
            "most_liked_posts_daily": None,
        }
        assert rows(lake_settings, "SELECT active, posters FROM active_users_daily") == [(3, 2)]
        assert rows(lake_settings, "SELECT uri[-2:], likes FROM most_liked_posts_daily") == [("b1", 2), ("a1", 1)]
        status = read_status(lake_settings, "refresh")
        assert status is not None
        assert not status.ok
    change(project, "active_users_daily", "-count(*) AS active", "count(*) AS active")
    result = refresh(lake_settings, now=at(3, 13), project=project)
    assert [view.stale_since for view in result.views] == [None, None]
    assert rows(lake_settings, "SELECT active FROM active_users_daily") == [(5,)]
    status = read_status(lake_settings, "refresh")
    assert status is not None
    assert status.ok


def test_a_stale_day_that_fails_an_audit_stays_on_the_list(lake_settings: Settings) -> None:
    project = project_of(lake_settings.home, "active_users_daily", audits=True)
    lake = fill(lake_settings)
    refresh(lake_settings, now=at(9, 10), project=project)
    lake.post("eve", "e1", at(3, 11))
    text = "forall(criteria := (\n      active >= 1,"
    change(project, "active_users_daily", text, text + "\n      active <> 4,")
    with pytest.raises(AuditFailedError, match='"active" <> 4'):
        refresh(lake_settings, now=at(9, 11), project=project)
    assert rows(lake_settings, "SELECT active FROM active_users_daily WHERE day = '2026-07-03'") == [(3,)]
    change(project, "active_users_daily", "\n      active <> 4,", "")
    refresh(lake_settings, now=at(9, 12), project=project)
    assert rows(lake_settings, "SELECT active FROM active_users_daily WHERE day = '2026-07-03'") == [(4,)]


def test_a_model_that_cannot_be_computed_leaves_the_others_to_be_published(lake_settings: Settings) -> None:
    project = project_of(lake_settings.home, "posts_by_hour")
    fill(lake_settings)
    change(project, "posts_by_hour", "count(DISTINCT did)", "count(DISTINCT nobody)")
    with pytest.raises(BuildError, match="nobody"):
        refresh(lake_settings, now=at(3, 10), project=project)
    published = current(lake_settings)
    assert published is not None
    # It was never published, so there are no last good rows.
    assert [view.name for view in published.views] == ["most_liked_posts_daily"]


def test_nothing_is_published_where_every_view_fails(lake_settings: Settings) -> None:
    project = project_of(lake_settings.home, "posts_by_hour")
    fill(lake_settings)
    change(project, "posts_by_hour", "count(DISTINCT did)", "count(DISTINCT nobody)")
    change(project, "most_liked_posts_daily", "count(DISTINCT did) AS likes", "count(nobody) AS likes")
    with pytest.raises(BuildError, match="nobody"):
        refresh(lake_settings, now=at(3, 10), project=project)
    assert current(lake_settings) is None


def test_a_changed_and_a_new_model_are_built(lake_settings: Settings) -> None:
    project = project_of(lake_settings.home, "active_users_daily", "posts_by_hour")
    fill(lake_settings)
    refresh(lake_settings, now=at(3, 10), project=project)
    change(project, "posts_by_hour", "count(*) AS posts", "count(*) + 5 AS posts")
    text = (project / "models" / "active_users_daily.sql").read_text(encoding="utf-8")
    (project / "models" / "people.sql").write_text(
        text.replace("views.active_users_daily", "views.people"), encoding="utf-8"
    )
    result = refresh(lake_settings, now=at(3, 10), project=project)
    assert [view.name for view in result.views][2] == "people"
    assert rows(lake_settings, "SELECT posts FROM posts_by_hour") == [(6,), (6,)]
    assert rows(lake_settings, "SELECT active FROM people") == [(3,)]
    # And a view whose model is gone is published no more.
    (project / "models" / "people.sql").unlink()
    (project / "models" / "posts_by_hour.sql").unlink()
    result = refresh(lake_settings, now=at(3, 10), project=project)
    assert [view.name for view in result.views] == ["active_users_daily", "most_liked_posts_daily"]
