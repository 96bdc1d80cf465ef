"""Files that are whole, whatever happens while they are written."""

import os
from pathlib import Path

import pytest

from bluelake.core.files import write_durably


def test_a_file_is_written_with_its_mode_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "state.json"

    write_durably(path, b"one", mode=0o600)
    write_durably(path, b"two", mode=0o600)

    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["state.json"]


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    steps: list[tuple[str, bytes]] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        steps.append((Path(f"/proc/self/fd/{descriptor}").resolve().name, path.read_bytes()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    write_durably(path, b"new")

    (aside, before), folder = steps
    assert (aside.startswith(".state.json."), before) == (True, b"old")
    assert folder == (tmp_path.name, b"new")


def test_a_write_that_takes_a_part_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))

    write_durably(tmp_path / "state.json", b"0123456789")

    assert (tmp_path / "state.json").read_bytes() == b"0123456789"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"old")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state.json"]

    write_durably(path, b"new")
    assert path.read_bytes() == b"new"
