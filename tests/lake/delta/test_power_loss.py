"""A drain that dies between a commit and its fsync, and a disk that then loses the commit: the next run ends right."""

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis as redis_client

from bluelake.buffer.client import Buffer
from bluelake.core.crash import VARIABLE
from bluelake.core.settings import Settings
from bluelake.core.watermark import read_watermark
from bluelake.lake.delta.log import entries, version_of
from bluelake.lake.delta.store import Commit, Store
from bluelake.lake.drain import drain
from bluelake.lake.errors import CorruptLogError, RefusedError
from bluelake.lake.tables import TABLES, Table
from tests.support.buffers import feed
from tests.support.faults import cut, empty, lose_data
from tests.support.frames import likes, posts
from tests.support.lakes import values
from tests.support.paths import ROOT
from tests.support.processes import clean_environment


def die(settings: Settings, point: str) -> None:
    """Drain in a child process that dies at `point`."""
    environment = {"BLUELAKE_HOME": str(settings.home), "REDIS_URL": settings.redis_url, "PYTHONPATH": str(ROOT)}
    code = "from bluelake.core.settings import load_settings; from bluelake.lake.drain import drain; drain(load_settings())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(**environment, **{VARIABLE: point}), check=False
    )
    assert done.returncode == -9


@dataclass
class Died:
    """What a killed drain left: a copy of its home, and the keys of Redis as `DUMP` gives them."""

    home: Path
    keys: dict[bytes, bytes]


class Deaths:
    """Kills a drain at each point once, and gives every test a copy of what it left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._died: dict[str, Died] = {}

    def at(self, point: str, buffer: Buffer, settings: Settings, *flushes: list[bytes]) -> None:
        """Leave `settings` as a drain of the last of `flushes` does that dies at `point`, after one of each before it."""
        with redis_client.Redis.from_url(settings.redis_url) as client:
            if point not in self._died:
                for frames in flushes[:-1]:
                    feed(buffer, frames)
                    drain(settings)
                feed(buffer, flushes[-1])
                die(settings, point)
                home = self._folder / str(len(self._died))
                shutil.copytree(settings.home, home)
                self._died[point] = Died(home, {key: client.dump(key) for key in client.keys("*")})
                return
            died = self._died[point]
            shutil.copytree(died.home, settings.home, dirs_exist_ok=True)
            for key, content in died.keys.items():
                client.restore(key, 0, content)


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> Deaths:
    return Deaths(tmp_path_factory.mktemp("deaths"))


def newest_entries(settings: Settings) -> dict[str, Path]:
    """The newest log entry of each table that the watermark knows an older version of."""
    known = read_watermark(settings.watermark_path).versions or {}
    newest = {name: entries(settings.lake_dir / name)[-1] for name in TABLES}
    return {name: entry for name, entry in newest.items() if version_of(entry) > known[name]}


@pytest.mark.parametrize("damage", [cut, empty, lose_data, Path.unlink])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_commit_that_never_reached_the_disk_is_made_again(
    number: int, damage: Callable[[Path], None], deaths: Deaths, buffer: Buffer, settings: Settings
) -> None:
    before, last = [*likes("3ka"), *posts("3kp")], [*likes("3kb", "3kc"), *posts("3kq")]
    # Likes, posts, batches.
    deaths.at(f"after-commit-before-fsync:{number}", buffer, settings, before, last)
    fresh = newest_entries(settings)
    assert len(fresh) == number
    damage(max(fresh.values(), key=lambda entry: entry.stat().st_mtime_ns))

    drain(settings)

    assert Counter(values(settings, "SELECT rkey FROM likes_all")) == Counter(["3ka", "3kb", "3kc"])
    assert Counter(values(settings, "SELECT rkey FROM posts_all")) == Counter(["3kp", "3kq"])
    assert values(settings, "SELECT sum(events_in) FROM batches") == [5]
    watermark = read_watermark(settings.watermark_path)
    assert watermark.committed == 2
    assert watermark.versions == {name: version_of(entries(settings.lake_dir / name)[-1]) for name in TABLES}
    assert list(buffer.flushes(0)) == []


@pytest.mark.parametrize("damage", [cut, empty, lose_data, Path.unlink])
def test_a_table_that_the_batch_relies_on_is_not_given_up_without_a_word(
    damage: Callable[[Path], None], deaths: Deaths, buffer: Buffer, settings: Settings
) -> None:
    """The batch's row was committed after likes had been fsynced: a disk that lost them nevertheless has lied."""
    deaths.at("after-batches-row-before-watermark", buffer, settings, likes("3ka"), likes("3kb"))
    damage(newest_entries(settings)["likes"])
    with pytest.raises(CorruptLogError, match="known to be durable"):
        drain(settings)
    assert [flush.number for flush in buffer.flushes(0)] == [2]


def test_a_table_whose_commit_stands_and_seemed_to_fail_is_on_the_disk_before_the_batch_relies_on_it(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(buffer, likes("3ka"))
    drain(settings)
    feed(buffer, likes("3kb"))
    original = Store._fsync_commit
    failed: list[int] = []

    def fsync_commits(store: Store, table: Table, version: int) -> Commit:
        if table.name == "likes" and store.root == settings.lake_dir and not failed:
            failed.append(version)
            raise RefusedError("likes: cannot be written: no checkpoint")
        return original(store, table, version)

    monkeypatch.setattr(Store, "_fsync_commit", fsync_commits)
    (batch,) = drain(settings)
    assert (failed, batch.rows_by_table) == ([2], {"likes": 1})
    assert newest_entries(settings) == {}


def test_what_a_killed_run_left_unsynced_is_confirmed_only_once_it_is_on_the_disk(
    buffer: Buffer, settings: Settings
) -> None:
    feed(buffer, likes("3ka"))
    drain(settings)
    feed(buffer, likes("3kb"))
    die(settings, "after-commit-before-fsync")
    fresh = newest_entries(settings)
    assert set(fresh) == {"likes"}
    drain(settings)
    assert newest_entries(settings) == {}
    assert not (settings.lake_dir / "likes" / "_broken").exists()
    assert sorted(values(settings, "SELECT rkey FROM likes_all")) == ["3ka", "3kb"]
