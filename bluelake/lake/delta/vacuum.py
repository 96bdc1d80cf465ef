"""The vacuum removes unused files after a grace period, and old log entries once a checkpoint replaces them.

Which files those are, delta-rs tells: replaced ones by when they were replaced, and ones that no commit ever named (of a
writer that was killed) by when they were written. So a file of a commit that is under way is never among them, as long as
no commit takes as long as the grace period.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from deltalake import DeltaTable

from bluelake.core.crash import crash_point
from bluelake.lake.delta.log import entries, fsync_commits, version_of, write_checkpoint
from bluelake.lake.delta.store import Store
from bluelake.lake.tables import BATCHES, TABLES

log = logging.getLogger(__name__)

# Half-written files of a killed process: delta-rs' own, which its vacuum does not see, and those of bluelake/core/files.py.
_LEFT_BEHIND = re.compile(r".*#\d+|_commit_.*\.tmp|\..*\.tmp")


@dataclass(frozen=True)
class Vacuumed:
    """Files removed, and their bytes."""

    files: int
    size_bytes: int


def vacuum_tables(store: Store, grace_hours: int, now: datetime) -> Vacuumed:
    """Remove what has been of no use for `grace_hours`, in every table. Raises OSError, DeltaError.

    `now`: by the clock that dates files (`bluelake.core.clock.file_now`); delta-rs tells by it what it counts as unused.
    """
    files = size_bytes = 0
    # Of a batch that was killed between its commits, the drain reads the counts out of the log.
    drained = store.committed_flush(BATCHES.name) if store.exists(BATCHES.name) else 0
    for name in TABLES:
        if not store.exists(name):
            continue
        root = store.root / name
        unused = _unused(store.table(name), root, grace_hours)
        for path in sorted({*unused, *_left_behind(root, now - timedelta(hours=grace_hours))}):
            size_bytes += path.stat().st_size
            path.unlink()
            files += 1
            crash_point("mid-vacuum")
        tidy_log(store.table(name), root, remove=store.committed_flush(name) <= drained)
    log.info("vacuumed %d files, %.1f MB", files, size_bytes / 1e6)
    return Vacuumed(files, size_bytes)


def tidy_log(table: DeltaTable, root: Path, *, remove: bool) -> None:
    """Write a durable checkpoint of `table`, whose folder is `root`. With `remove`, remove log entries past retention."""
    version = table.version()
    fsync_commits(root, version - 1, version)
    write_checkpoint(root, version)
    if remove:
        table.cleanup_metadata()
    log.debug("%s: %d log entries at version %d", root.name, len(entries(root)), version_of(entries(root)[-1]))


def _unused(table: DeltaTable, root: Path, grace_hours: int) -> Iterator[Path]:
    # The grace is a setting of its own, below the retention that the table's configuration would enforce.
    for name in table.vacuum(grace_hours, dry_run=True, enforce_retention_duration=False, full=True):
        path = root / name
        if path.is_file() and path.resolve().is_relative_to(root.resolve()):
            yield path


def _left_behind(root: Path, before: datetime) -> Iterator[Path]:
    for path in root.rglob("*"):
        if _LEFT_BEHIND.fullmatch(path.name) and path.is_file() and path.stat().st_mtime < before.timestamp():
            yield path
