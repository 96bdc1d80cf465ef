"""Files that survive a power loss: written aside, fsynced, renamed, and their folder fsynced."""

import json
import os
import zlib
from pathlib import Path

# For tests: a log of every fsync, so that a test can lose everything else (docs/chaos.md).
LOG_VARIABLE = "BLUELAKE_FSYNC_LOG"
_log_file = os.environ.get(LOG_VARIABLE)


def fsync_path(path: Path) -> None:
    """Fsync a file or a folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace the content of `path`. Every reader sees the old content or the new, also after a power loss. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            _fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        # On a full disk it would keep the last free bytes.
        temporary.unlink(missing_ok=True)
        raise
    fsync_path(path.parent)


def _fsync(descriptor: int) -> None:
    noted = _content(descriptor) if _log_file is not None else None
    os.fsync(descriptor)
    if _log_file is not None:
        with open(_log_file, "ab", buffering=0) as log:
            log.write(json.dumps(noted).encode() + b"\n")


def _content(descriptor: int) -> dict[str, object]:
    """What an fsync of `descriptor` makes durable: a file's size and checksum, or a folder's names and inodes."""
    status, path = os.fstat(descriptor), f"/proc/self/fd/{descriptor}"
    if os.path.isdir(path):
        with os.scandir(descriptor) as found:
            return {"inode": status.st_ino, "names": {entry.name: entry.inode() for entry in found}}
    # The kernel soon gives an inode to another file. The checksum identifies the content.
    content = Path(path).read_bytes()
    return {"inode": status.st_ino, "size": len(content), "crc": zlib.crc32(content)}
