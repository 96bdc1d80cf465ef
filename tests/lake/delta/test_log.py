"""What a power loss leaves of a Delta log: moved aside above the confirmed version, refused at or below it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable

import bluelake.lake.delta.log
from bluelake.lake.delta.log import recover
from bluelake.lake.delta.store import Store
from bluelake.lake.errors import CorruptLogError
from bluelake.lake.tables import DELETES, TABLES
from tests.support.faults import cut, empty, lose_data
from tests.support.rows import delete_rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three commits to `deletes`: versions 1 to 3."""
    made = Store(tmp_path / "lake")
    made.create_tables()
    for flush in (1, 2, 3):
        made.append(DELETES, delete_rows(f"3k{flush}"), flush, {})
    return made


def entry(store: Store, version: int) -> Path:
    return store.root / "deletes" / "_delta_log" / f"{version:020d}.json"


DAMAGE = [cut, empty, lose_data, Path.unlink]


def rows(store: Store) -> int:
    return sum(file.rows for file in Store(store.root).files("deletes"))


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("broken", [2, 3])
def test_what_was_never_confirmed_is_moved_aside_and_can_be_done_again(
    broken: int, damage: Callable[[Path], None], store: Store
) -> None:
    damage(entry(store, broken))

    version = recover(store.root / "deletes", 1)

    assert version == broken - 1
    assert rows(store) == broken - 1
    again = Store(store.root)
    again.recover(lambda name: 1 if name == "deletes" else 0)
    assert again.append(DELETES, delete_rows("3kagain"), 9, {}) is not None
    assert rows(store) == broken
    assert DeltaTable(str(store.root / "deletes")).version() == broken


@pytest.mark.parametrize("damage", [cut, empty, lose_data])
@pytest.mark.parametrize("confirmed", [3, None])
def test_what_was_confirmed_or_may_have_been_is_refused_and_stays_where_it_is(
    confirmed: int | None, damage: Callable[[Path], None], store: Store
) -> None:
    damage(entry(store, 3))
    before = entry(store, 3).read_bytes()
    with pytest.raises(CorruptLogError, match="deletes/_delta_log"):
        recover(store.root / "deletes", confirmed)
    assert entry(store, 3).read_bytes() == before


def test_a_confirmed_entry_that_is_gone_is_refused(store: Store) -> None:
    entry(store, 3).unlink()
    with pytest.raises(CorruptLogError, match="ends at version 2, and 3 was known"):
        recover(store.root / "deletes", 3)


def test_a_whole_log_is_left_as_it_is_and_brought_to_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: set[str] = set()
    original = os.fsync

    def recording(descriptor: int) -> None:
        synced.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        original(descriptor)

    monkeypatch.setattr(os, "fsync", recording)
    assert recover(store.root / "deletes", 1) == 3
    # A killed process may have committed these and not have brought them there.
    assert {str(entry(store, 2)), str(entry(store, 3))} <= synced
    newest = sorted(store.files("deletes"), key=lambda file: os.stat(file.path).st_mtime_ns)[1:]
    assert {file.path for file in newest} <= synced
    assert rows(store) == 3


def test_an_entry_that_a_list_of_the_folder_passed_over_is_not_missing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it can, when another process commits while the folder is listed."""
    original = bluelake.lake.delta.log.entries
    monkeypatch.setattr(
        "bluelake.lake.delta.log.entries", lambda table: [path for path in original(table) if path != entry(store, 2)]
    )
    assert recover(store.root / "deletes", 1) == 3
    assert rows(store) == 3


def test_a_file_that_a_later_commit_replaced_and_a_vacuum_removed_is_no_damage(store: Store) -> None:
    replaced = store.files("deletes")
    assert store.replace_files(DELETES, replaced, []) is not None
    for file in replaced:
        Path(file.path).unlink()
    assert recover(store.root / "deletes", 2) == 4


@pytest.mark.parametrize("damage", [cut, empty])
@pytest.mark.parametrize("name", ["_last_checkpoint", f"{3:020d}.checkpoint.parquet"])
def test_a_broken_checkpoint_is_moved_aside(name: str, damage: Callable[[Path], None], store: Store) -> None:
    DeltaTable(str(store.root / "deletes")).create_checkpoint()
    damage(store.root / "deletes" / "_delta_log" / name)
    assert recover(store.root / "deletes", 3) == 3
    assert rows(store) == 3


def test_a_broken_checkpoint_whose_entries_are_gone_is_refused(store: Store) -> None:
    DeltaTable(str(store.root / "deletes")).create_checkpoint()
    entry(store, 1).unlink()
    empty(store.root / "deletes" / "_delta_log" / f"{3:020d}.checkpoint.parquet")
    with pytest.raises(CorruptLogError, match="entries that it replaces are missing"):
        recover(store.root / "deletes", 3)


def test_a_table_whose_creation_was_lost_is_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "lake")
    store.create_tables()
    empty(store.root / "likes" / "_delta_log" / f"{0:020d}.json")
    again = Store(store.root)
    again.recover(lambda name: -1)
    again.create_tables()
    assert all(Store(store.root).files(name) == () for name in TABLES)
