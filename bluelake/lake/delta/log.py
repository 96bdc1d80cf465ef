"""Delta logs as files: how a commit becomes durable, and what a power loss leaves of one.

delta-rs does not fsync. It reads a log whose last entry is empty as the version before, without a word. So this module makes
every commit *durable*: data, log entry and folders are fsynced, and survive a power loss. The watermark and the lists of sealed
hours record which versions are known to be durable. An entry above that version that is not whole is moved aside.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from pyarrow import parquet

from bluelake.core.files import fsync_path
from bluelake.lake.errors import CorruptLogError

log = logging.getLogger(__name__)

# Readers of Delta and its vacuum pass over names that begin so.
BROKEN_FOLDER = "_broken"
# No version is known to be durable, and none needs to be.
NOTHING = -1
FSYNCED_AT_ONCE = 8


def entries(table: Path) -> list[Path]:
    """The log entries of the table at `table`, oldest first."""
    return sorted((table / "_delta_log").glob("[0-9]*.json"))


def version_of(entry: Path) -> int:
    """The version that a log entry, or a checkpoint, makes."""
    return int(entry.name.split(".", 1)[0])


def check_log(table: Path) -> None:
    """Refuse a log whose newest entry is empty, not JSON, or names a data file that is not whole. Raises CorruptLogError."""
    newest = entries(table)[-1:]
    for entry in newest:
        if (fault := find_fault(entry)) is not None:
            raise CorruptLogError(
                f"{entry}: {fault}, as after a power loss; the next drain moves it aside, unless it was known to be "
                "durable (docs/operations.md, 'After a power loss')"
            )


def find_fault(entry: Path, removed: Set[str] = frozenset()) -> str | None:
    """What is wrong with a log entry or with the data files that it adds; None where it is whole.

    `removed`: paths, as in the log, that later entries remove and that a vacuum may have deleted.
    """
    try:
        added = added_by(entry)
    except ValueError:
        return "empty or cut off"
    table = entry.parent.parent
    for add in added:
        if add["path"] not in removed and not _has_size(table / unquote(add["path"]), add["size"]):
            return f"names {add['path']}, which is missing or cut off"
    return None


def recover(table: Path, durable: int | None) -> int:
    """Make the log of `table` whole, and all that is in it durable. Returns its newest version, -1 for none.

    `durable`: the version that is known to be durable; None where that is not known, so that nothing may be moved.
    Entries above it are moved aside from the first that is not whole on: nothing was built on them. Raises CorruptLogError
    for one at or below it.
    """
    if not (table / "_delta_log").is_dir():
        return NOTHING
    with _locked(table / "_delta_log"):
        _drop_broken_checkpoints(table)
        found = entries(table)
        if durable is None:
            check_log(table)
            return version_of(found[-1]) if found else NOTHING
        known = [entry for entry in found if version_of(entry) <= durable]
        removed = _removed_by(found[len(known) :])
        fault = find_fault(known[-1], removed) if known else None
        if fault is not None:
            raise CorruptLogError(
                f"{known[-1]}: {fault}, and it was known to be durable: this disk loses what it fsynced. Restore "
                "lake/ from a backup (docs/operations.md, 'After a power loss')"
            )
        newest = version_of(found[-1]) if found else NOTHING
        if newest < durable:
            raise CorruptLogError(
                f"{table / '_delta_log'}: ends at version {newest}, and {durable} was known to be durable. After a "
                "restore of an older lake delete watermark.json (docs/operations.md, 'Backup')"
            )
        whole = _take_whole(table, found[len(known) :], durable, removed)
        return fsync_commits(table, durable, whole)


def fsync_commits(table: Path, durable: int, version: int) -> int:
    """fsync what the commits past `durable` up to `version` wrote. Returns `version`."""
    fresh = [entry for entry in entries(table) if durable < version_of(entry) <= version]
    added = [add for entry in fresh for add in added_by(entry)]
    live = [file for file in (table / unquote(add["path"]) for add in added) if file.exists()]
    _fsync_entries(table, fresh, live)
    return version


def write_checkpoint(table: Path, version: int) -> None:
    """Write a durable checkpoint of the log of `table` up to `version`, which is durable. Raises DeltaError, OSError."""
    if not any(path.is_file() for path in (table / "_delta_log").glob(f"{version:020d}.checkpoint*")):
        DeltaTable(str(table), version=version).create_checkpoint()
    fsync_commits(table, version - 1, version)


def actions_of(entry: Path) -> list[dict[str, Any]]:
    """The actions of a log entry. Raises ValueError where it is empty or cut off."""
    actions = [json.loads(line) for line in entry.read_bytes().splitlines()]
    if not actions or not all(isinstance(action, dict) for action in actions):
        raise ValueError("no actions")
    return actions


def added_by(entry: Path) -> list[dict[str, Any]]:
    """The `add` actions of a log entry. Raises ValueError where it is empty or cut off."""
    return [action["add"] for action in actions_of(entry) if "add" in action]


def metadata_of(entry: Path) -> dict[str, Any]:
    """What a log entry says of its commit. Raises ValueError where it is empty or cut off."""
    return next((dict(action["commitInfo"]) for action in actions_of(entry) if "commitInfo" in action), {})


def appended_by(entry: Path) -> list[dict[str, Any]]:
    """The `add` actions of a log entry that takes no file out; none of one that rewrites. Raises ValueError, OSError."""
    actions = actions_of(entry)
    return [] if any("remove" in action for action in actions) else [a["add"] for a in actions if "add" in a]


def _fsync_entries(table: Path, fresh: Iterable[Path], data_files: Iterable[Path]) -> None:
    """fsync data files, the log entries that name them, checkpoints of them, and all their folders."""
    log_dir = table / "_delta_log"
    files, logs = list(data_files), list(fresh)
    folders = {folder for file in files for folder in file.parents if folder.is_relative_to(table)}
    checkpoints = [path for entry in logs for path in log_dir.glob(f"{version_of(entry):020d}.checkpoint*")]
    pointer = [path for path in [log_dir / "_last_checkpoint"] if path.exists()]
    # Data first: once the log entry is durable, what it names must be too.
    for group in (files, sorted(folders), logs, checkpoints, pointer, [log_dir, table]):
        if len(group) < FSYNCED_AT_ONCE:
            for path in group:
                fsync_path(path)
        else:
            with ThreadPoolExecutor(max_workers=FSYNCED_AT_ONCE) as pool:
                list(pool.map(fsync_path, group))


def _take_whole(table: Path, beyond: list[Path], durable: int, removed: Set[str]) -> int:
    """The version up to which entries are whole and follow one another; of `beyond`, those after it are moved aside."""
    version, fault = durable, None
    while fault is None:
        # By its name: a list of the folder can show an entry without the one before it, beside a process that commits. If
        # that is not there after the folder was listed, it is lost.
        entry = table / "_delta_log" / f"{version + 1:020d}.json"
        fault = find_fault(entry, removed) if entry.exists() else f"version {version + 1} is missing"
        version += fault is None
    for lost in beyond:
        if version_of(lost) > version:
            _set_aside(table, lost, fault)
    return version


def _removed_by(found: Iterable[Path]) -> set[str]:
    """What entries remove; nothing of one that is not whole."""
    removed = set()
    for entry in found:
        with suppress(ValueError):
            removed |= {action["remove"]["path"] for action in actions_of(entry) if "remove" in action}
    return removed


def _drop_broken_checkpoints(table: Path) -> None:
    """Move aside a checkpoint that is not whole. The entries that it replaces are still there, or it is refused."""
    log_dir = table / "_delta_log"
    pointer = log_dir / "_last_checkpoint"
    broken = [path for path in sorted(log_dir.glob("*.checkpoint*.parquet")) if not _is_parquet(path)]
    numbers = {version_of(entry) for entry in entries(table)}
    sound = [version_of(path) for path in log_dir.glob("*.checkpoint*.parquet") if path not in broken]
    for path in broken:
        base = max((version for version in sound if version < version_of(path)), default=NOTHING)
        if not numbers.issuperset(range(base + 1, version_of(path) + 1)):
            raise CorruptLogError(
                f"{path}: empty or cut off, and entries that it replaces are missing. Restore lake/ from a backup "
                "(docs/operations.md, 'After a power loss')"
            )
        _set_aside(table, path, "empty or cut off")
    if pointer.exists() and (broken or not _is_pointer(pointer)):
        # Only a hint where to begin to read.
        _set_aside(table, pointer, "empty, cut off, or of a checkpoint that is")


def _set_aside(table: Path, path: Path, fault: str) -> None:
    folder = table / BROKEN_FOLDER
    folder.mkdir(exist_ok=True)
    number = len(list(folder.iterdir()))
    target = folder / f"{number:04d}-{path.name}"
    log.warning("%s: %s, as after a power loss; moved to %s, what it stood for is done again", path, fault, target)
    path.replace(target)
    for changed in (path.parent, folder, table):
        fsync_path(changed)


def _is_pointer(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes())["version"], int)
    except (ValueError, KeyError, TypeError):
        return False


def _is_parquet(path: Path) -> bool:
    try:
        parquet.read_metadata(path)
    except (pa.ArrowException, OSError):
        return False
    return True


def _has_size(path: Path, size_bytes: int) -> bool:
    try:
        return path.stat().st_size == size_bytes
    except FileNotFoundError:
        return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time judge this log: what another has just written anew must not be taken for broken."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
