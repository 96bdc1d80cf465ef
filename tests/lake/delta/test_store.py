"""Durable, numbered commits."""

import dataclasses
import json
import os
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable

import bluelake.lake.delta.store
from bluelake.core.version import VERSION
from bluelake.lake.delta.store import DataFile, Store
from bluelake.lake.errors import CorruptLogError
from bluelake.lake.query import all_rows
from bluelake.lake.tables import DELETES, HOUR_PARTITION, LIKES, TABLES
from tests.support.rows import arrow, delete_rows, like, likes


@pytest.fixture
def store(tmp_path: Path) -> Store:
    created = Store(tmp_path / "lake")
    created.create_tables()
    return created


def test_every_table_is_created_once(store: Store) -> None:
    assert {path.name for path in store.root.iterdir()} == set(TABLES)
    store.append(DELETES, delete_rows("3ka"), 1, {})
    store.create_tables()
    assert store.committed_flush("deletes") == 1


def test_a_table_of_an_earlier_version_gets_its_new_columns_and_reads_them_as_null(tmp_path: Path) -> None:
    early = [name for name in LIKES.schema.names if name != "hide_like"]
    rows = arrow(LIKES, [like("3ka")])
    before = dataclasses.replace(LIKES, columns=tuple(column for column in LIKES.columns if column[0] != "hide_like"))
    path = tmp_path / "likes"
    DeltaTable.create(str(path), schema=before.schema, partition_by=list(HOUR_PARTITION), name="likes")
    store = Store(tmp_path)
    assert store.append(before, rows.select(early), 1, {}) is not None
    old_file = all_rows(store, "likes")
    assert duckdb.sql(f"SELECT rkey, hide_like FROM {old_file}").fetchall() == [("3ka", None)]

    store.create_tables()
    version = store.table("likes").version()
    store.create_tables()
    assert store.table("likes").version() == version
    assert store.append(LIKES, arrow(LIKES, [like("3kb", hide_like=True)]), 2, {}) is not None
    both = duckdb.sql(f"SELECT rkey, hide_like FROM {all_rows(Store(tmp_path), 'likes')} ORDER BY rkey").fetchall()
    assert both == [("3ka", None), ("3kb", True)]


def test_a_flush_is_committed_once_whoever_asks(store: Store) -> None:
    assert store.append(DELETES, delete_rows("3ka"), 5, {}) is not None
    assert store.append(DELETES, delete_rows("3kb"), 5, {}) is None
    assert Store(store.root).append(DELETES, delete_rows("3kc"), 4, {}) is None
    assert sum(file.rows for file in store.files("deletes")) == 1
    assert store.committed_flush("deletes") == 5
    assert store.committed_flush("likes") == 0


def test_every_commit_says_which_rules_made_its_rows(store: Store) -> None:
    store.append(DELETES, delete_rows("3ka"), 1, {})
    store.append(DELETES, delete_rows("3kb"), 7, {}, application="bluelake-replay")
    newest, before, creation = store.table("deletes").history()
    assert [commit["bluelake_rules"] for commit in (newest, before)] == ["2", "2"]
    assert newest["bluelake_version"] == VERSION
    assert "bluelake_rules" not in creation


def test_files_tell_their_hour_bounds_and_greatest_values(store: Store) -> None:
    store.append(DELETES, delete_rows("3ka", "3kb"), 1, {})
    (file,) = store.files("deletes")
    moment_us = 1_783_168_200_001_500  # 2026-07-04T12:30:00.0015Z
    assert isinstance(file, DataFile)
    assert (file.hour.label, file.rows, file.size_bytes) == ("2026-07-04T12", 2, os.path.getsize(file.path))
    # Delta's statistics are in whole milliseconds; the bounds contain the truth.
    assert file.first_us <= moment_us <= file.last_us
    assert file.last_us - file.first_us <= 2_000
    assert file.greatest == {"operation": None, "collection": "app.bsky.feed.post"}


def test_a_new_commit_is_seen_by_a_store_that_is_open(store: Store) -> None:
    other = Store(store.root)
    assert other.files("deletes") == ()
    store.append(DELETES, delete_rows("3ka"), 1, {})
    assert len(other.files("deletes")) == 1


def test_a_new_commit_is_seen_where_the_folder_seems_unchanged(store: Store) -> None:
    log_dir = store.root / "deletes" / "_delta_log"
    changed = log_dir.stat()
    other = Store(store.root)
    assert other.files("deletes") == ()
    store.append(DELETES, delete_rows("3ka"), 1, {})
    os.utime(log_dir, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    assert len(other.files("deletes")) == 1


def test_files_are_listed_anew_where_the_log_no_longer_tells_what_came(store: Store) -> None:
    following = Store(store.root)
    assert following.files("deletes") == ()
    for flush in (1, 2):
        store.append(DELETES, delete_rows(f"3k{flush}"), flush, {})
    DeltaTable(str(store.root / "deletes")).create_checkpoint()
    (store.root / "deletes" / "_delta_log" / f"{1:020d}.json").unlink()
    assert len(following.files("deletes")) == 2


def test_a_checkpoint_that_cannot_be_written_fails_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluelake.lake.delta.store.CHECKPOINT_INTERVAL", 2)
    monkeypatch.setitem(bluelake.lake.delta.store._TABLE_CONFIGURATION, "delta.checkpointInterval", "2")
    store = Store(tmp_path / "lake")
    store.create_tables()
    checkpoints = [store.root / "deletes" / "_delta_log" / f"{version:020d}.checkpoint.parquet" for version in range(5)]
    for path in checkpoints[:4]:
        # A folder stands where it would be.
        (path / "full").mkdir(parents=True)
    for flush in (1, 2, 3):
        commit = store.append(DELETES, delete_rows(f"3k{flush}"), flush, {})
        assert commit is not None
        assert store.durable["deletes"] == commit.version == flush
    assert store.replace_files(DELETES, store.files("deletes")[:1], []) is not None
    assert checkpoints[4].is_file()
    assert sum(file.rows for file in Store(store.root).files("deletes")) == 2


def test_a_commit_that_could_not_be_brought_to_the_disk_is_when_it_is_asked_for_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(DELETES, delete_rows("3ka"), 1, {})
    with monkeypatch.context() as patch:
        patch.setattr("bluelake.lake.delta.store.fsync_commits", fail)
        with pytest.raises(OSError, match="no space"):
            store.append(DELETES, delete_rows("3kb"), 2, {})
    assert store.durable["deletes"] == 1
    assert store.append(DELETES, delete_rows("3kb"), 2, {}) is None
    assert store.durable["deletes"] == 2


def fail(*_: object) -> int:
    raise OSError("no space")


def test_counts_of_the_commits_past_a_flush_come_back(store: Store) -> None:
    for flush in (1, 2, 3):
        store.append(DELETES, delete_rows(f"3k{flush}"), flush, {"rows": flush * 10})
    assert [counts["rows"] for counts in store.commit_counts("deletes", 1)] == [30, 20]


def test_counts_are_found_behind_however_many_other_commits(store: Store) -> None:
    store.append(DELETES, delete_rows("3ka"), 1, {"unwritable": [3]})
    for number in range(1, 4):
        store.append(DELETES, delete_rows(f"3k{number}"), number, {}, application="another")
    # As after a seal of every hour.
    log_dir = store.root / "deletes" / "_delta_log"
    template = json.dumps({"commitInfo": {"operation": "WRITE"}}) + "\n"
    for version in range(5, 1100):
        (log_dir / f"{version:020d}.json").write_text(template)
    assert [counts["unwritable"] for counts in store.commit_counts("deletes", 0)] == [[3]]


def test_counts_that_are_no_longer_in_the_log_are_missed(store: Store) -> None:
    store.append(DELETES, delete_rows("3ka"), 1, {"unwritable": [3]})
    DeltaTable(str(store.root / "deletes")).create_checkpoint()
    store.append(DELETES, delete_rows("3kb"), 1, {}, application="another")
    (store.root / "deletes" / "_delta_log" / f"{1:020d}.json").unlink()
    with pytest.raises(CorruptLogError, match="flush 1 is committed, and its entry is missing"):
        Store(store.root).commit_counts("deletes", 0)
    assert Store(store.root).commit_counts("deletes", 1) == []


@pytest.mark.parametrize("hours", [(12,), (12, 13)])
def test_what_was_written_is_brought_to_the_disk_data_first(
    hours: tuple[int, ...], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    original = os.fsync

    def recording(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        original(descriptor)

    monkeypatch.setattr(os, "fsync", recording)
    rows = pa.concat_tables([delete_rows("3ka", hour=hour) for hour in hours])
    store.append(DELETES, rows, 1, {})

    root = str(store.root / DELETES.name)
    entry = f"{root}/_delta_log/{1:020d}.json"
    data = [file.path for file in store.files("deletes")]
    assert len(data) == len(hours)
    folders = {f"{root}/_delta_log", root, *(str(Path(path).parent) for path in data)}
    assert {*data, entry, *folders} <= set(synced)
    assert max(synced.index(path) for path in data) < synced.index(entry)


def test_two_writers_of_one_table_both_get_their_rows_in(store: Store) -> None:
    first, second = Store(store.root), Store(store.root)
    assert first.append(LIKES, likes(LIKES), 1, {}) is not None
    assert second.append(LIKES, likes(LIKES), 2, {}) is not None
    assert sum(file.rows for file in store.files("likes")) == 2
