"""A refresh over real Delta tables: what it computes, what it computes again, and what it publishes."""

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.tables import TABLES
from bluelake.lake.views import current, read
from tests.support.frames import LIKE
from tests.support.lakes import Lake as SmallLake
from tests.support.paths import ROOT
from tests.support.processes import clean_environment
from tests.support.published import at, published_file, rows
from tests.support.refreshes import Make, project_of
from transforms.errors import RefreshRunningError
from transforms.refresh import RefreshResult, refresh

VIEWS = ["active_users_daily", "most_liked_posts_daily", "posts_by_hour", "trending_hashtags_daily"]


def three_days(settings: Settings) -> SmallLake:
    """Three days: ann and bob post, cat likes, dan follows."""
    lake = SmallLake(settings)
    lake.post("ann", "a1", at(1, 23, 59), langs=["en-GB"], hashtags=["Cats"])
    lake.post("ann", "a2", at(2, 0), langs=["en"], hashtags=["cats", "News"], reply_parent_did="bob")
    lake.post("bob", "b1", at(2, 0, 30), langs=["ja"], hashtags=["Cats"], media_count=1, links=["https://x.org"])
    lake.post("bob", "b2", at(3, 9), langs=["ja"])
    lake.like("cat", "l1", at(2, 8), "ann", "a1")
    lake.like("bob", "l2", at(2, 9), "ann", "a1")
    lake.like("cat", "l3", at(2, 10), "bob", "b1")
    lake.like("cat", "l4", at(3, 9, 30), "bob", "b2")
    lake.add("reposts", {"did": "cat", "rkey": "r1", "event_at": at(2, 11), "subject_did": "ann", "subject_rkey": "a1"})
    lake.add("follows", {"did": "dan", "rkey": "f1", "event_at": at(3, 9), "subject_did": "ann"})
    return lake


@dataclass(frozen=True)
class Built:
    """A refresh of the three days. `progress`: what it told meanwhile."""

    settings: Settings
    result: RefreshResult
    progress: list[tuple[int, int, str]]


def three_days_on_day_3(settings: Settings) -> None:
    """The three days as a machine in Tokyo publishes them on the third, and what it told."""
    three_days(settings)
    progress: list[tuple[int, int, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        result = refresh(settings, now=at(3, 10), progress=lambda *step: progress.append(step))
    (settings.home / "told").write_bytes(pickle.dumps((result, progress)))


def three_days_on_day_4(settings: Settings) -> None:
    """The three days, of which a refresh on the fourth computes none again by itself."""
    three_days(settings)
    refresh(settings, now=at(4, 0), project=project_of(settings.home))


@pytest.fixture
def built(lake_settings: Settings, prepare: Callable[[Make], None]) -> Built:
    """The three days, published on the third."""
    prepare(three_days_on_day_3)
    return Built(lake_settings, *pickle.loads((lake_settings.home / "told").read_bytes()))


@pytest.fixture
def on_day_3(lake_settings: Settings, built: Built) -> SmallLake:
    """The lake of the three days, published on the third, which a test may change."""
    return SmallLake(lake_settings)


@pytest.fixture
def on_day_4(lake_settings: Settings, prepare: Callable[[Make], None]) -> SmallLake:
    """The lake of the three days, published on the fourth, which a test may change."""
    prepare(three_days_on_day_4)
    return SmallLake(lake_settings)


@pytest.fixture
def project(lake_settings: Settings) -> Path:
    """The copy of the project that lies in the home."""
    return lake_settings.home / "project"


def everything(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all views."""
    return {name: rows(settings, f"SELECT * FROM {name} ORDER BY ALL") for name in VIEWS}


def posts_of(settings: Settings, day: int) -> int:
    """The posts that posts_by_hour counts on a day."""
    return int(
        rows(settings, f"SELECT coalesce(sum(posts), 0) FROM posts_by_hour WHERE hour::DATE = '2026-07-{day:02}'")[0][0]
    )


def test_the_views_of_three_days(built: Built) -> None:
    assert rows(built.settings, "SELECT * FROM posts_by_hour") == [
        (at(3, 9), "ja", 1, 0, 0, 0, 0, 1),
        (at(2, 0), "en", 1, 1, 0, 0, 0, 1),
        (at(2, 0), "ja", 1, 0, 0, 1, 1, 1),
        (at(1, 23), "en", 1, 0, 0, 0, 0, 1),
    ]
    first, second, third = date(2026, 7, 1), date(2026, 7, 2), date(2026, 7, 3)
    assert rows(built.settings, "SELECT * FROM active_users_daily") == [
        (third, 3, 1, 1, 0, 1),
        (second, 3, 2, 2, 1, 0),
        (first, 1, 1, 0, 0, 0),
    ]
    assert rows(built.settings, "SELECT * FROM trending_hashtags_daily") == [
        (second, 1, "cats", "Cats", 2, 2, 1, 1.0),
        (second, 2, "news", "News", 1, 1, 0, None),
        (first, 1, "cats", "Cats", 1, 1, None, None),
    ]
    a1, b1, b2 = (
        f"at://{key}" for key in ("ann/app.bsky.feed.post/a1", "bob/app.bsky.feed.post/b1", "bob/app.bsky.feed.post/b2")
    )
    assert rows(built.settings, "SELECT * FROM most_liked_posts_daily") == [
        (third, 1, b2, 1, "bob", at(3, 9), "bob b2", ["ja"]),
        (second, 1, a1, 2, "ann", at(1, 23, 59), "ann a1", ["en-GB"]),
        (second, 2, b1, 1, "bob", at(2, 0, 30), "bob b1", ["ja"]),
    ]
    assert built.result.intervals == 4 * 3
    assert [done for done, _, _ in built.progress] == list(range(1, 13))
    assert {total for _, total, _ in built.progress} == {12}
    assert {name for _, _, name in built.progress} == set(VIEWS)


def test_what_is_published_describes_itself(built: Built) -> None:
    published = current(built.settings)
    assert published is not None
    assert published.views == built.result.views
    assert {view.name: view.rows for view in published.views} == {
        name: rows(built.settings, f"SELECT count(*) FROM {name}")[0][0] for name in VIEWS
    }
    comments = "SELECT table_name, comment FROM duckdb_tables() ORDER BY ALL"
    assert rows(built.settings, comments) == [(view.name, view.description) for view in published.views]
    for view in published.views:
        columns = f"SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = '{view.name}'"
        assert rows(built.settings, columns) == [(c.name, c.type, c.description) for c in view.columns]
        assert all(column.description for column in view.columns)
    # Nothing half done is left, and nobody is kept out.
    left = sorted(path.name for path in built.settings.views_dir.iterdir())
    assert left == ["build.duckdb", "cache", "published", "refresh.lock", "sqlmesh"]
    duckdb.connect(str(built.settings.views_dir / "build.duckdb")).close()


def test_another_refresh_gives_the_same_rows(built: Built) -> None:
    before = everything(built.settings)
    second = refresh(built.settings, now=at(3, 10))
    assert everything(built.settings) == before
    assert second.intervals == 0
    third = refresh(built.settings, now=at(3, 11))
    assert everything(built.settings) == before
    assert third.intervals == 4 * 3
    assert built.result.version < second.version < third.version


def test_a_day_that_was_not_over_is_completed(lake_settings: Settings) -> None:
    project = project_of(lake_settings.home, "posts_by_hour", "most_liked_posts_daily")
    lake = SmallLake(lake_settings)
    lake.post("bob", "b2", at(3, 9))
    lake.like("cat", "l4", at(3, 9, 30), "bob", "b2")
    refresh(lake_settings, now=at(3, 9, 15), project=project)
    assert posts_of(lake_settings, 3) == 1
    assert rows(lake_settings, "SELECT * FROM most_liked_posts_daily WHERE day = '2026-07-03'") == []
    lake.post("ann", "a3", at(3, 9, 20))
    lake.post("ann", "a4", at(3, 23, 59))
    refresh(lake_settings, now=at(3, 12), project=project)
    assert posts_of(lake_settings, 3) == 2
    # Not refreshed for longer than it looks back: what was left open is closed all the same.
    refresh(lake_settings, now=at(5, 0), project=project)
    assert posts_of(lake_settings, 3) == 3
    assert len(rows(lake_settings, "SELECT * FROM most_liked_posts_daily WHERE day = '2026-07-03'")) == 1


def test_late_rows_and_deletes_of_recent_days(lake_settings: Settings, on_day_3: SmallLake) -> None:
    on_day_3.post("eve", "e1", at(1, 12))
    on_day_3.delete("bob", "b1", at(3, 10, 30))
    on_day_3.delete("bob", "l2", at(3, 10, 30), LIKE)
    on_day_3.post("ann", "a1", at(3, 10, 40), rev=5, operation="update", text="edited")
    result = refresh(lake_settings, now=at(3, 11))
    # No day twice: those that changed are computed again anyway.
    assert result.intervals == 4 * 3
    assert [posts_of(lake_settings, day) for day in (1, 2, 3)] == [2, 1, 1]
    assert rows(lake_settings, "SELECT uri, likes, text FROM most_liked_posts_daily WHERE day = '2026-07-02'") == [
        ("at://ann/app.bsky.feed.post/a1", 1, "edited")
    ]


def test_rows_of_a_day_long_past(lake_settings: Settings, on_day_4: SmallLake, project: Path) -> None:
    on_day_4.post("eve", "e1", at(2, 12))
    on_day_4.like("eve", "l9", at(3, 12), "bob", "b2")
    result = refresh(lake_settings, now=at(4, 1), project=project)
    assert posts_of(lake_settings, 2) == 2 + 1
    assert rows(lake_settings, "SELECT likes FROM most_liked_posts_daily WHERE day = '2026-07-03'") == [(2,)]
    # The day that has begun; of active_users_daily days 2 and 3, of posts_by_hour day 2, of
    # trending_hashtags_daily and most_liked_posts_daily, which read days before, days 2 and 3.
    assert result.intervals == 4 * 1 + 2 + 1 + 2 + 2


def test_the_lake_grows_backwards(lake_settings: Settings, on_day_4: SmallLake, project: Path) -> None:
    on_day_4.post("eve", "e", at(30, 12).replace(month=6))
    refresh(lake_settings, now=at(4, 1), project=project)
    assert rows(lake_settings, "SELECT min(day), count(*) FROM active_users_daily") == [(date(2026, 6, 30), 4)]


def test_withdrawn_posts_of_days_long_past(lake_settings: Settings, on_day_4: SmallLake, project: Path) -> None:
    assert len(rows(lake_settings, "SELECT * FROM most_liked_posts_daily")) == 3
    on_day_4.delete("ann", "a1", at(4, 0, 30))
    refresh(lake_settings, now=at(4, 1), project=project)
    assert rows(lake_settings, "SELECT DISTINCT author_did FROM most_liked_posts_daily") == [("bob",)]
    on_day_4.account("bob", at(4, 1, 30), active=False)
    result = refresh(lake_settings, now=at(4, 2), project=project)
    assert rows(lake_settings, "SELECT * FROM most_liked_posts_daily") == []
    assert result.intervals == 4 * (1 + 2)


def active_on(settings: Settings, day: int) -> tuple[int, ...]:
    """What active_users_daily says of a day: active, posters, likers, reposters, followers."""
    found = rows(settings, f"SELECT * EXCLUDE (day) FROM active_users_daily WHERE day = '2026-07-{day:02}'")
    return tuple(found[0]) if found else ()


@pytest.mark.integration
def test_days_that_count_what_was_withdrawn_edited_or_hidden(
    lake_settings: Settings, on_day_4: SmallLake, project: Path
) -> None:
    lake = on_day_4
    assert active_on(lake_settings, 2) == (3, 2, 2, 1, 0)
    # Deletes of a like, a repost and a follow, months behind each other as far as the views can tell.
    lake.delete("bob", "l2", at(4, 1), LIKE)
    lake.delete("cat", "r1", at(4, 1), "app.bsky.feed.repost")
    lake.delete("dan", "f1", at(4, 1), "app.bsky.graph.follow")
    lake.post("ann", "a2", at(4, 1), rev=5, operation="update", hashtags=["edited"])
    result = refresh(lake_settings, now=at(4, 2), project=project)
    assert active_on(lake_settings, 2) == (3, 2, 1, 0, 0)
    assert active_on(lake_settings, 3) == (2, 1, 1, 0, 0)
    tags = "SELECT hashtag FROM trending_hashtags_daily WHERE day = '2026-07-02' ORDER BY 1"
    assert [tag for (tag,) in rows(lake_settings, tags)] == ["cats", "edited"]
    # Day 4; of days 2 and 3 active_users_daily both, posts_by_hour the 2nd, trending_hashtags_daily, which compares
    # with the day before, both, most_liked_posts_daily, which shows posts of 7 days before, both.
    assert result.intervals == 4 * 1 + 2 + 1 + 2 + 2
    # A reset of bob's repository, and an account that goes and comes back.
    lake.add("deletes", {"did": "bob", "collection": "*", "rkey": "*", "rev": 7, "event_at": at(4, 3)})
    lake.account("cat", at(4, 3), active=False)
    refresh(lake_settings, now=at(4, 4), project=project)
    assert active_on(lake_settings, 2) == (1, 1, 0, 0, 0)
    assert active_on(lake_settings, 3) == ()
    assert rows(lake_settings, "SELECT * FROM most_liked_posts_daily") == []
    lake.add("accounts", {"did": "cat", "event_at": at(4, 5), "kind": "account", "active": True, "seq": 2})
    refresh(lake_settings, now=at(4, 6), project=project)
    assert active_on(lake_settings, 2) == (2, 1, 1, 0, 0)
    assert active_on(lake_settings, 3) == (1, 0, 1, 0, 0)


LIKED = "SELECT day(day), uri[6:8], text FROM most_liked_posts_daily ORDER BY 1"


def liked_for_days(settings: Settings) -> None:
    """Two posts with a hashtag on day 1 and one on day 2; the first is liked on days 1, 3, 8 and 9. On day 4 a post is liked
    that is not there yet. The views that read days before their own are published on day 10."""
    lake = SmallLake(settings)
    for did, rkey, day in (("ann", "a1", 1), ("ann", "a2", 1), ("zed", "z1", 2)):
        lake.post(did, rkey, at(day, 12), hashtags=["Cats"])
    for day in (1, 3, 8, 9):
        lake.like("cat", f"l{day}", at(day, 13), "ann", "a1")
    lake.like("cat", "late", at(4, 13), "bob", "b1")
    refresh(settings, now=at(10, 0), project=project_of(settings.home, *READERS_OF_DAYS_BEFORE))


READERS_OF_DAYS_BEFORE = ("most_liked_posts_daily", "trending_hashtags_daily")


@pytest.fixture
def liked(lake_settings: Settings, prepare: Callable[[Make], None]) -> SmallLake:
    """The lake of posts that were liked for days."""
    prepare(liked_for_days)
    return SmallLake(lake_settings)


def edit(lake: SmallLake, moment: datetime) -> None:
    """An edit of the post that was liked for days."""
    lake.post("ann", "a1", moment, text="edited", operation="update", rev=5, hashtags=["Cats"])


@pytest.mark.integration
def test_days_that_show_or_compare_with_what_changed_on_a_day_before(
    lake_settings: Settings, liked: SmallLake, project: Path
) -> None:
    # Post a1 is more than 7 days older than day 9, and b1 is not there yet.
    assert rows(lake_settings, LIKED) == [
        *((1, "ann", "ann a1"), (3, "ann", "ann a1"), (4, "bob", None), (8, "ann", "ann a1"), (9, "ann", None))
    ]
    tags = "SELECT day(day), posts, posts_day_before FROM trending_hashtags_daily ORDER BY 1"
    assert rows(lake_settings, tags) == [(1, 2, None), (2, 1, 2)]
    edit(liked, at(10, 1))
    liked.delete("ann", "a2", at(10, 1))
    liked.post("bob", "b1", at(2, 9))
    result = refresh(lake_settings, now=at(10, 2), project=project)
    assert rows(lake_settings, LIKED) == [
        *((1, "ann", "edited"), (3, "ann", "edited"), (4, "bob", "bob b1"), (8, "ann", "edited"), (9, "ann", None))
    ]
    assert rows(lake_settings, tags) == [(1, 1, None), (2, 1, 1)]
    # Day 10. Posts of days 1 and 2 changed: trending_hashtags_daily of 1 to 3, most_liked_posts_daily of 1 to 9.
    assert result.intervals == 2 * 1 + 3 + 9


@pytest.mark.integration
def test_an_edit_shows_however_old_the_post(lake_settings: Settings, liked: SmallLake, project: Path) -> None:
    limited = lake_settings.model_copy(update={"views_withdrawn_days": 2.0})
    edit(liked, at(10, 1))
    # Day 10, and the three that show the post.
    assert refresh(limited, now=at(10, 2), project=project).intervals == 2 * 1 + 3
    assert rows(limited, LIKED) == [
        *((1, "ann", "edited"), (3, "ann", "edited"), (4, "bob", None), (8, "ann", "edited"), (9, "ann", None))
    ]
    liked.post("eve", "e1", at(10, 2))
    assert refresh(limited, now=at(10, 3), project=project).intervals == 2 * 1


LIKES = "SELECT day(day), likes FROM most_liked_posts_daily ORDER BY 1"


def liked_on_three_days(settings: Settings) -> None:
    """A post that had a like on each of three days, on the fourth. The views that read likes are published."""
    lake = SmallLake(settings)
    lake.post("ann", "a1", at(1, 9))
    for day in (1, 2, 3):
        lake.like("cat", f"l{day}", at(day, 10), "ann", "a1")
    refresh(settings, now=at(4, 0), project=project_of(settings.home, *READERS_OF_LIKES))


READERS_OF_LIKES = ("active_users_daily", "most_liked_posts_daily")


@pytest.fixture
def late_likes(lake_settings: Settings, prepare: Callable[[Make], None]) -> SmallLake:
    """The lake of the post that was liked on three days: since the refresh it got a second like of each day."""
    prepare(liked_on_three_days)
    lake = SmallLake(lake_settings)
    for day in (1, 2, 3):
        lake.like("dan", f"l{day}", at(day, 10), "ann", "a1")
    return lake


def test_a_refresh_without_time_publishes_and_the_next_one_goes_on(
    lake_settings: Settings, late_likes: SmallLake, project: Path
) -> None:
    hurried = lake_settings.model_copy(update={"heavy_max_minutes": 0.0})
    # Day 4 of both views; a like concerns both on its day. The newest day goes first.
    first = refresh(hurried, now=at(4, 1), project=project)
    assert (first.intervals, first.waiting) == (2 * 1 + 2, 2)
    assert rows(lake_settings, LIKES) == [(1, 1), (2, 1), (3, 2)]
    # What has waited goes before what is new.
    late_likes.like("eve", "l3", at(3, 10), "ann", "a1")
    second = refresh(hurried, now=at(4, 2), project=project)
    assert (second.intervals, second.waiting) == (2 * 1 + 2, 2)
    assert rows(lake_settings, LIKES) == [(1, 1), (2, 2), (3, 2)]
    third = refresh(lake_settings, now=at(4, 3), project=project)
    assert (third.intervals, third.waiting) == (2 * 1 + 2 * 2, 0)
    assert rows(lake_settings, LIKES) == [(1, 2), (2, 2), (3, 3)]


_KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
import transforms
from bluelake.core.settings import Settings
from transforms.refresh import refresh

def die(done, total, view):
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

home = Path(sys.argv[1])
refresh(Settings(bluelake_home=home), now=datetime.fromisoformat(sys.argv[2]), progress=die, project=home / "project")
"""


def refresh_and_die(settings: Settings, now: datetime, intervals: int) -> None:
    """A refresh with the home's own project that is killed once so many intervals are computed."""
    arguments = [str(settings.home), now.isoformat(), str(intervals)]
    killed = subprocess.run([sys.executable, "-c", _KILLED, *arguments], env=clean_environment(), cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL


@pytest.mark.integration
def test_a_killed_refresh_keeps_what_it_computed(lake_settings: Settings, late_likes: SmallLake, project: Path) -> None:
    # Within day 2: days 4 and 3 are done by then.
    refresh_and_die(lake_settings, at(4, 1), 2 * 1 + 2 + 1)
    assert rows(lake_settings, LIKES) == [(1, 1), (2, 1), (3, 1)]
    assert refresh(lake_settings, now=at(4, 2), project=project).intervals == 2 * 1 + 2 * 2
    assert rows(lake_settings, LIKES) == [(1, 2), (2, 2), (3, 2)]


def test_the_first_day_may_vanish(lake_settings: Settings) -> None:
    project = project_of(lake_settings.home, "posts_by_hour")
    lake = SmallLake(lake_settings)
    for day in (1, 2, 3):
        lake.post("ann", f"a{day}", at(day, 9))
    refresh(lake_settings, now=at(4, 0), project=project)
    store = Store(lake_settings.lake_dir)
    first = [file for file in store.files("posts") if file.hour.day == date(2026, 7, 1)]
    store.replace_files(TABLES["posts"], first, [])
    lake.post("ann", "b2", at(2, 9))
    for hour in (1, 2):
        refresh(lake_settings, now=at(4, hour), project=project)
        assert [posts_of(lake_settings, day) for day in (1, 2, 3)] == [0, 2, 1]


@pytest.mark.integration
def test_a_first_refresh_that_was_killed_forgets_nothing(lake_settings: Settings) -> None:
    project = project_of(lake_settings.home, "posts_by_hour")
    lake = SmallLake(lake_settings)
    lake.post("ann", "a1", at(1, 9))
    # Days 1 and 2 of both views are missing; all but the last one are computed.
    refresh_and_die(lake_settings, at(3, 0), 2 * 2 - 1)
    lake.post("ann", "late", at(1, 9))
    refresh(lake_settings, now=at(3, 1), project=project)
    assert posts_of(lake_settings, 1) == 2


def test_withdrawals_behind_the_limit_wait_for_the_files(
    lake_settings: Settings, on_day_4: SmallLake, project: Path
) -> None:
    limited = lake_settings.model_copy(update={"views_withdrawn_days": 1.0})
    on_day_4.delete("cat", "r1", at(4, 1), "app.bsky.feed.repost")
    assert refresh(limited, now=at(4, 2), project=project).intervals == 4 * 1
    assert active_on(limited, 2) == (3, 2, 2, 1, 0)


def test_a_lake_without_tables_and_one_without_rows(lake_settings: Settings) -> None:
    project = project_of(lake_settings.home)
    result = refresh(lake_settings, now=at(3, 10), project=project)
    assert [(view.name, view.rows) for view in result.views] == [(name, 0) for name in VIEWS]
    lake = SmallLake(lake_settings)
    result = refresh(lake_settings, now=at(3, 10, 5), project=project)
    assert [view.rows for view in result.views] == [0, 0, 0, 0]
    assert read(lake_settings, "posts_by_hour", 10).rows == []
    lake.post("ann", "a1", at(2, 10))
    refresh(lake_settings, now=at(3, 10, 10), project=project)
    assert posts_of(lake_settings, 2) == 1


def test_a_reader_keeps_its_version(lake_settings: Settings) -> None:
    project = project_of(lake_settings.home, "posts_by_hour")
    lake = SmallLake(lake_settings)
    refresh(lake_settings, now=at(3, 9), project=project)
    old = published_file(lake_settings)
    count = "SELECT count(*) FROM posts_by_hour"
    with duckdb.connect(str(old), read_only=True) as reader:
        lake.post("ann", "a1", at(3, 9))
        refresh(lake_settings, now=at(3, 12), project=project)
        assert reader.execute(count).fetchall() == [(0,)]
    assert published_file(lake_settings) != old
    assert rows(lake_settings, count) == [(1,)]


def test_only_one_refresh_at_a_time(lake_settings: Settings) -> None:
    project = project_of(lake_settings.home, "posts_by_hour")
    refused = []

    def again(*_: object) -> None:
        with pytest.raises(RefreshRunningError, match=r"refresh\.lock: process \d+ is refreshing"):
            refresh(lake_settings, now=at(3, 10))
        refused.append(True)

    refresh(lake_settings, now=at(3, 10), progress=again, project=project)
    assert len(refused) == 2
    assert current(lake_settings) is not None


def test_a_leftover_of_a_killed_refresh(lake_settings: Settings) -> None:
    lake_settings.views_dir.mkdir()
    for name in ("next.duckdb", "next.duckdb.wal"):
        (lake_settings.views_dir / name).write_bytes(b"half")
    refresh(lake_settings, now=at(3, 10), project=project_of(lake_settings.home, "posts_by_hour"))
    assert posts_of(lake_settings, 1) == 0
