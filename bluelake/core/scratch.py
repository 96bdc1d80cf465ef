"""A folder of this process under BLUELAKE_HOME/tmp, for files that the process needs only while it lives.

The process holds a lock in its folder. A folder whose lock is free belonged to a process that was killed. A process id
could not show that: containers share a BLUELAKE_HOME, but no process ids.
"""

import atexit
import fcntl
import logging
import os
import shutil
import threading
from datetime import datetime
from pathlib import Path
from secrets import token_hex

log = logging.getLogger(__name__)

_LOCK = "lock"
# The folder and the descriptor of its lock. The process id is in the key: a fork gets a folder of its own.
_own: dict[tuple[int, Path], tuple[Path, int]] = {}
_making = threading.Lock()


def own_folder(tmp: Path) -> Path:
    """The folder of this process in `tmp`, made at the first call and removed when the process ends. Raises OSError."""
    key = (os.getpid(), tmp)
    with _making:
        if key not in _own or not _own[key][0].exists():
            _own[key] = _make(tmp)
        return _own[key][0]


def leave(tmp: Path) -> None:
    """Remove the folder of this process in `tmp`, if it has one. The end of the process does the same."""
    key = (os.getpid(), tmp)
    if key in _own:
        folder, descriptor = _own.pop(key)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned(tmp: Path, before: datetime) -> int:
    """Remove the folders of processes that have ended, and everything else in `tmp` that is older than `before`.

    `before` is a time of the clock that dates files (`bluelake.core.clock.file_now`). Returns how many entries went.
    Logs a warning for an entry that it cannot remove, such as another user's.
    """
    removed = 0
    for path in sorted(tmp.glob("*")):
        try:
            if not _remove_abandoned(path, before):
                continue
        except OSError as error:
            log.warning("%s: cannot be removed: %s", path, error)
            continue
        log.info("%s: left by a process that was killed, removed", path)
        removed += 1
    return removed


def _remove_abandoned(path: Path, before: datetime) -> bool:
    try:
        with (path / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path)
    except BlockingIOError:
        return False
    except (FileNotFoundError, NotADirectoryError):
        # It is no such folder, or another process makes or removes it at this moment.
        if not _is_older(path, before):
            return False
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return True


def _make(tmp: Path) -> tuple[Path, int]:
    while True:
        folder = tmp / f"{os.getpid()}-{token_hex(4)}"
        folder.mkdir(parents=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if (folder / _LOCK).exists():
            return folder, descriptor
        # Another process removed it as abandoned before it was locked.
        os.close(descriptor)


def _is_older(path: Path, before: datetime) -> bool:
    try:
        return path.lstat().st_mtime < before.timestamp()
    except FileNotFoundError:
        return False


@atexit.register
def _leave_all() -> None:
    for pid, tmp in list(_own):
        if pid == os.getpid():
            leave(tmp)
