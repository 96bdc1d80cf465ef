"""`import bluelake`: the lake for notebooks and programs."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import bluelake
from bluelake.buffer.client import Buffer
from bluelake.core.errors import ConfigurationError
from bluelake.core.settings import Settings
from bluelake.lake.drain import drain
from bluelake.lake.search import ParameterError
from bluelake.lake.views import UnknownViewError
from tests.support.buffers import feed
from tests.support.frames import commit_frame
from tests.support.paths import ROOT
from tests.support.processes import clean_environment
from tests.support.published import publish_view

POST = "app.bsky.feed.post"


@pytest.fixture
def filled(buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A lake with two posts and a like, which the environment names."""
    feed(
        buffer,
        [
            commit_frame(POST, rkey="3kone", record={"text": "good morning", "langs": ["en", "ja"]}),
            commit_frame(POST, rkey="3ktwo", record={"text": "good night"}),
            commit_frame(rkey="3klike"),
        ],
    )
    drain(settings)
    monkeypatch.setenv("BLUELAKE_HOME", str(settings.home))
    monkeypatch.setenv("REDIS_URL", settings.redis_url)
    return settings


def test_load_gives_the_rows_of_a_table(filled: Settings) -> None:
    posts = bluelake.load("posts").collect()
    assert sorted(posts["rkey"].to_list()) == ["3kone", "3ktwo"]
    assert bluelake.load("posts", "2026-07-05").collect().height == 0
    assert bluelake.load("likes", current=False).collect().height == 1


def test_search_takes_what_the_command_takes(filled: Settings) -> None:
    found = bluelake.search("good")
    assert [post.rkey for post in found.posts] == ["3kone", "3ktwo"]
    assert found.posts[0].event_at == datetime(2026, 7, 4, 12, tzinfo=UTC)
    # A date as the end includes that day, a time does not include itself.
    assert bluelake.search("good", start=date(2026, 7, 4), end="2026-07-04").total == 2
    assert bluelake.search("good", end=datetime(2026, 7, 4, 12)).total == 0
    assert bluelake.search("morning good", exact=True).total == 0
    assert bluelake.search("good", page=2).posts == []
    assert bluelake.search(username="did:plc:nobody").total == 0
    with pytest.raises(ParameterError, match="start=yesterday: not a date"):
        bluelake.search(start="yesterday")


def test_export_writes_csv_and_says_whether_there_is_more(filled: Settings, tmp_path: Path) -> None:
    done = bluelake.export("morning", output=tmp_path / "posts.csv")
    assert done == bluelake.Exported(posts=1, capped=False)
    header, row = (tmp_path / "posts.csv").read_text(encoding="utf-8").splitlines()
    assert header == "id,timestamp,created_at,did,username,text,langs,hashtags,url"
    assert ",good morning,en ja," in row


def test_sql_and_status(filled: Settings) -> None:
    found = bluelake.sql("SELECT rkey FROM posts ORDER BY 1")
    assert (found.columns, found.rows) == (("rkey",), [("3kone",), ("3ktwo",)])
    assert {part.name: part.state for part in bluelake.status()}["lake"] == "up"


def test_views_are_listed_and_read(filled: Settings) -> None:
    assert bluelake.views() == []
    publish_view(filled)
    assert [(view.name, view.rows) for view in bluelake.views()] == [("ranks", 3)]
    page = bluelake.view("ranks", limit=2, offset=1)
    assert (page.rows, page.total) == ([(2, "tag2"), (3, "tag3")], 3)
    with pytest.raises(UnknownViewError, match="there are: ranks"):
        bluelake.view("nothing")


def test_settings_name_a_lake_elsewhere(filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUELAKE_HOME", str(tmp_path / "nothing" / "here"))
    assert bluelake.search("good", settings=filled).total == 2
    with pytest.raises(ConfigurationError, match="BLUELAKE_HOME="):
        bluelake.search("good")


@pytest.mark.parametrize("package", ["bluelake", "repair"])
def test_importing_a_package_of_ours_imports_nothing_heavy(package: str) -> None:
    code = f"import sys, {package}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )
    heavy = {"duckdb", "pyarrow", "polars", "deltalake", "numpy", "pydantic", "redis", "websockets", "cyclopts", "rich"}
    assert heavy & set(done.stdout.split()) == set()


def test_every_public_name_is_there() -> None:
    import repair

    for package in (bluelake, repair):
        for name in package.__all__:
            assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = repair.nothing
