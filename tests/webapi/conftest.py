"""Django on a lake of the test's own."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django
import pytest

# Django's settings are read once a process: they get a home of their own, and the environment back.
_HOME = tempfile.TemporaryDirectory(prefix="bluelake-webapi-")
_before = {name: os.environ.get(name) for name in ("BLUELAKE_HOME", "DJANGO_SETTINGS_MODULE")}
os.environ.update(BLUELAKE_HOME=_HOME.name, DJANGO_SETTINGS_MODULE="webapi.settings")
django.setup()
for _name, _value in _before.items():
    if _value is None:
        del os.environ[_name]
    else:
        os.environ[_name] = _value

import duckdb  # noqa: E402
from django.test import Client  # noqa: E402

from bluelake.core.settings import Settings  # noqa: E402
from bluelake.lake.views.published import ColumnInfo, Published, ViewInfo, publish  # noqa: E402
from tests.support.lakes import Lake  # noqa: E402
from tests.support.rows import NOON  # noqa: E402
from webapi.lake_access import lake_access  # noqa: E402

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
def web_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Settings]]:
    """Gives the web process other settings; called without any it gives it those of an empty home without Redis."""

    def use(**changes: Any) -> Settings:
        settings = Settings(**{"bluelake_home": home, "duckdb_threads": 2, "redis_url": NO_REDIS, **changes})
        monkeypatch.setattr("webapi.lake_access.load_settings", lambda: settings)
        lake_access.cache_clear()
        return settings

    use()
    yield use
    lake_access.cache_clear()


@pytest.fixture
def lake(web_settings: Callable[..., Settings], home: Path) -> Lake:
    """An empty lake that the web process reads."""
    return Lake(web_settings())


@pytest.fixture
def client() -> Client:
    """A client that Django's host check lets in."""
    return Client(headers={"host": "localhost"})


@pytest.fixture
def published(web_settings: Callable[..., Settings]) -> Published:
    """Two published views."""
    settings = web_settings()
    settings.views_dir.mkdir()
    file = settings.views_dir / "build.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE hours AS SELECT make_timestamptz((1783166400 + 3600 * range) * 1000000) AS hour, "
            "range AS posts, ['ja', 'en'] AS langs FROM range(250)"
        )
        connection.execute(
            "CREATE TABLE odd AS SELECT 'nan'::DOUBLE AS d, 1.50::DECIMAL(9,2) AS m, DATE '2026-07-04' AS day"
        )
    views = (
        ViewInfo(
            "hours",
            "Posts by hour.",
            250,
            (
                ColumnInfo("hour", "TIMESTAMP WITH TIME ZONE", "The hour"),
                ColumnInfo("posts", "BIGINT", "Posts <in> it"),
                ColumnInfo("langs", "VARCHAR[]", "Languages"),
            ),
        ),
        ViewInfo("odd", "Odd values.", 1, ()),
    )
    return publish(settings, file, views, now=NOON)
