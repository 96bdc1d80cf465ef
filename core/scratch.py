"""A folder of this process' own under BLUELAKE_HOME/tmp, for what is of use only while the process lives.

A lock in it, held as long, tells it from what a killed process left. A process id would not: the containers that share a
BLUELAKE_HOME do not share those.
"""

import atexit
import fcntl
import os
import shutil
import threading
from pathlib import Path
from secrets import token_hex

_LOCK = "lock"
# Folder and descriptor of its lock. By process id too: a fork makes a folder of its own.
_own: dict[tuple[int, Path], tuple[Path, int]] = {}
_making = threading.Lock()


def own_folder(tmp: Path) -> Path:
    """This process' own folder in `tmp`, made at the first call and removed when the process ends. Raises OSError."""
    key = (os.getpid(), tmp)
    with _making:
        if key not in _own or not _own[key][0].exists():
            _own[key] = _make(tmp)
        return _own[key][0]


def leave(tmp: Path) -> None:
    """Remove this process' own folder in `tmp`, if it has one; at the end of the process that is done by itself."""
    key = (os.getpid(), tmp)
    if key in _own:
        folder, descriptor = _own.pop(key)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _make(tmp: Path) -> tuple[Path, int]:
    folder = tmp / f"{os.getpid()}-{token_hex(4)}"
    folder.mkdir(parents=True)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return folder, descriptor


@atexit.register
def _leave_all() -> None:
    for pid, tmp in list(_own):
        if pid == os.getpid():
            leave(tmp)
