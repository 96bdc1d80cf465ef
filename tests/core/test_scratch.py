"""The folder of a process' own: one each, locked while the process lives, gone when it ends."""

import fcntl
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bluelake.core.scratch import leave, own_folder, remove_abandoned
from tests.support.paths import ROOT
from tests.support.processes import clean_environment

HOLD = (
    "import sys; from pathlib import Path; from bluelake.core.scratch import own_folder\n"
    "print(own_folder(Path(sys.argv[1])), flush=True); sys.stdin.read()"
)


class Other:
    """Another process that has a folder in `tmp`, until it is told to end."""

    def __init__(self, tmp: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp)],
            env=clean_environment(PYTHONPATH=str(ROOT)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.folder = Path(self.process.stdout.readline().strip())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def end(self) -> None:
        self.process.communicate("")


NOW = datetime(2026, 7, 4, 12, tzinfo=UTC)


def is_locked(folder: Path) -> bool:
    with (folder / "lock").open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_process_has_one_folder_and_gets_another_when_it_is_gone(tmp_path: Path) -> None:
    tmp = tmp_path / "tmp"
    folder = own_folder(tmp)
    assert folder.parent == tmp
    assert own_folder(tmp) == folder
    assert is_locked(folder)
    (folder / "file").write_text("x")

    leave(tmp)

    assert list(tmp.iterdir()) == []
    assert own_folder(tmp) != folder
    leave(tmp)


def test_a_folder_goes_with_its_process_and_stays_behind_a_killed_one_without_its_lock(tmp_path: Path) -> None:
    ended, killed = Other(tmp_path), Other(tmp_path)
    assert is_locked(ended.folder)
    assert is_locked(killed.folder)

    ended.end()
    killed.kill()

    assert list(tmp_path.iterdir()) == [killed.folder]
    assert not is_locked(killed.folder)


def test_a_fork_has_a_folder_of_its_own_and_leaves_that_of_its_parent(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from bluelake.core.scratch import own_folder\n"
        "tmp = Path(sys.argv[1]); mine = own_folder(tmp)\n"
        "if child := os.fork():\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "    print(mine.exists(), os.listdir(tmp) == [mine.name])\n"
        "else:\n"
        "    assert own_folder(tmp) != mine\n"
    )
    environment = clean_environment(PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("True True\n", "")
    assert os.listdir(tmp_path) == []


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    living, killed = Other(tmp_path), Other(tmp_path)
    for folder in (living.folder, killed.folder):
        (folder / "spill").mkdir()
        (folder / "spill" / "file").write_text("x")
        # However old it is.
        os.utime(folder, (0, 0))
    killed.kill()

    assert remove_abandoned(tmp_path, NOW) == 1

    assert list(tmp_path.iterdir()) == [living.folder]
    assert (living.folder / "spill" / "file").read_text() == "x"
    living.end()


def test_what_is_in_no_folder_of_a_process_goes_when_it_is_old(tmp_path: Path) -> None:
    for age, moment in (("old", NOW - timedelta(seconds=1)), ("fresh", NOW + timedelta(seconds=1))):
        (tmp_path / f"{age}-file").write_text("x")
        (tmp_path / f"{age}-folder").mkdir()
        (tmp_path / f"{age}-folder" / "file").write_text("x")
        (tmp_path / f"{age}-link").symlink_to("nothing")
        for name in ("file", "folder", "link"):
            seconds = moment.timestamp()
            os.utime(tmp_path / f"{age}-{name}", (seconds, seconds), follow_symlinks=False)

    assert remove_abandoned(tmp_path, NOW) == 3

    assert sorted(os.listdir(tmp_path)) == ["fresh-file", "fresh-folder", "fresh-link"]
    assert remove_abandoned(tmp_path / "none", NOW) == 0


def test_what_cannot_be_removed_keeps_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a-folder").mkdir()
    # Opened for writing it is an error, whoever asks; another user's would be one too.
    (tmp_path / "a-folder" / "lock").mkdir()
    (tmp_path / "b-file").write_text("x")
    os.utime(tmp_path / "b-file", (0, 0))

    assert remove_abandoned(tmp_path, NOW) == 1

    assert os.listdir(tmp_path) == ["a-folder"]
    assert "cannot be removed" in caplog.text


def test_a_folder_that_is_taken_for_abandoned_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    taken: list[int] = []

    def first_removed(descriptor: int, operation: int) -> None:
        if not taken:
            taken.append(descriptor)
            assert remove_abandoned(tmp_path, NOW) == 1
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", first_removed)
    folder = own_folder(tmp_path)
    assert list(tmp_path.iterdir()) == [folder]
    assert is_locked(folder)
    leave(tmp_path)
