"""A drain that dies between a commit and its fsync, and a disk that then loses the commit: the next run ends right."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

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
from tests.support.snapshots import Snapshots


def die(settings: Settings, point: str) -> None:
    """Drain in a child process that dies at `point`."""
    environment = {"BLUELAKE_HOME": str(settings.home), "REDIS_URL": settings.redis_url, "PYTHONPATH": str(ROOT)}
    code = "from bluelake.core.settings import load_settings; from bluelake.lake.drain import drain; drain(load_settings())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(**environment, **{VARIABLE: point}), check=False
    )
    assert done.returncode == -9


def died(settings: Settings, buffer: Buffer, point: str, before: list[bytes], last: list[bytes]) -> None:
    """Drain `before`, then `last` in a child process that dies at `point`."""
    feed(buffer, before)
    drain(settings)
    feed(buffer, last)
    die(settings, point)


def newest_entries(settings: Settings) -> dict[str, Path]:
    """The newest log entry of each table that the watermark knows an older version of."""
    known = read_watermark(settings.watermark_path).versions or {}
    newest = {name: entries(settings.lake_dir / name)[-1] for name in TABLES}
    return {name: entry for name, entry in newest.items() if version_of(entry) > known[name]}


@pytest.mark.parametrize("damage", [cut, empty, lose_data, Path.unlink])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_commit_that_never_reached_the_disk_is_made_again(
    number: int, damage: Callable[[Path], None], snapshots: Snapshots, buffer: Buffer, settings: Settings
) -> None:
    before, last = [*likes("3ka"), *posts("3kp")], [*likes("3kb", "3kc"), *posts("3kq")]
    # Likes, posts, batches.
    point = f"after-commit-before-fsync:{number}"
    snapshots.start(point, settings, partial(died, settings, buffer, point, before, last))
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
    damage: Callable[[Path], None], snapshots: Snapshots, buffer: Buffer, settings: Settings
) -> None:
    """The batch's row was committed after likes had been fsynced: a disk that lost them nevertheless has lied."""
    point = "after-batches-row-before-watermark"
    snapshots.start(point, settings, partial(died, settings, buffer, point, likes("3ka"), likes("3kb")))
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
