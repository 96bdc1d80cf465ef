"""Drained chunks as files: kept whole, on the disk with their folders, and gone with their day."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from bluelake.buffer.chunks import ChunkEncoder
from bluelake.buffer.client import Entry
from bluelake.lake.drain.raw import keep_raw, remove_old_raw

NOON = datetime(2026, 7, 4, 12, tzinfo=UTC)


def entry(*frames: bytes, flush: int = 7) -> Entry:
    return Entry(flush, "host", ChunkEncoder().encode("likes", frames, 100, 200))


def test_a_file_holds_the_frames_byte_for_byte_under_a_name_that_tells_them(tmp_path: Path) -> None:
    keep_raw(tmp_path / "raw", "likes", [entry(b"{1}", b"{2}", flush=6), entry(b"{3}")], NOON)
    (file,) = (tmp_path / "raw").rglob("*.zst")
    assert file.relative_to(tmp_path) == Path("raw/2026-07-04/likes-100-200-7.ndjson.zst")
    with zstandard.ZstdDecompressor().stream_reader(file.read_bytes(), read_across_frames=True) as reader:
        assert reader.read() == b"{1}\n{2}\n{3}\n"


def test_a_new_days_folder_is_brought_to_the_disk_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def recording(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", recording)
    keep_raw(tmp_path / "raw", "likes", [entry(b"{1}")], NOON)
    folders = [tmp_path, tmp_path / "raw", tmp_path / "raw" / "2026-07-04"]
    assert {folder.stat().st_ino for folder in folders} <= set(synced)


def test_a_day_goes_once_it_ended_so_long_ago(tmp_path: Path) -> None:
    keep_raw(tmp_path, "likes", [entry(b"{1}")], NOON)
    assert remove_old_raw(tmp_path, 2, datetime(2026, 7, 7, tzinfo=UTC)) == []
    assert remove_old_raw(tmp_path, 2, datetime(2026, 7, 7, 0, 0, 1, tzinfo=UTC)) == ["2026-07-04"]
    assert list(tmp_path.rglob("*.zst")) == []
