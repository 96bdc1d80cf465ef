"""A power loss: what was written and never brought to the disk is gone, as far as a disk may lose it.

The pipeline notes every fsync in a file (BLUELAKE_FSYNC_LOG): a file's inode, size and checksum, a folder's inode and names.
After all its processes were killed, a file keeps what its last fsync covered and is cut there, sometimes further on or to nothing
at all, and a name that no fsync of its folder covered may be gone. What was renamed or removed stays so.
"""

import json
import os
import random
import zlib
from pathlib import Path

# Names without an fsync of their folder that vanish; the others stay with what their file kept.
VANISHING_SHARE = 0.5


def lose_power(root: Path, fsync_log: Path, rng: random.Random) -> list[str]:
    """Take away what is not on the disk below `root`. Returns what was done, a line each."""
    contents: dict[int, tuple[int, int]] = {}
    names: dict[int, dict[str, int]] = {}
    for line in fsync_log.read_bytes().splitlines() if fsync_log.exists() else []:
        noted = json.loads(line)
        if "names" in noted:
            names[noted["inode"]] = noted["names"]
        else:
            contents[noted["inode"]] = noted["size"], noted["crc"]
    lost: list[str] = []
    for folder, _, files in os.walk(root):
        durable = names.get(os.stat(folder).st_ino, {})
        for name in sorted(files):
            path = Path(folder) / name
            status = path.stat()
            if durable.get(name) != status.st_ino and rng.random() < VANISHING_SHARE:
                path.unlink()
                lost.append(f"gone: {path.relative_to(root)}")
                continue
            safe = _safe_bytes(path, *contents.get(status.st_ino, (0, 0)))
            if safe < status.st_size:
                kept = rng.choice((safe, safe, (safe + status.st_size) // 2))
                os.truncate(path, kept)
                lost.append(f"cut to {kept} of {status.st_size}: {path.relative_to(root)}")
    return lost


def _safe_bytes(path: Path, size: int, checksum: int) -> int:
    """How much of the file's beginning an fsync covered; nothing where that was of another file with the same inode."""
    beginning = path.read_bytes()[:size]
    return size if len(beginning) == size and zlib.crc32(beginning) == checksum else 0
