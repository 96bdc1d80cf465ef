"""The Delta tables on disk: opening, listing live files, and durable commits.

All writes of the lake go through `Store.append`. It reads the application transaction, checks it and writes through one
`DeltaTable` object, since delta-rs accepts a repeated transaction version when a write goes by path. delta-rs does not
fsync, so an appended commit is brought to the disk here before `append` returns.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError

from core.clock import to_us
from core.crash import crash_point
from core.files import fsync_path
from lake.errors import CommitError, CorruptLogError, RefusedError
from lake.tables import ENCODINGS, HOUR_PARTITION, TABLES, Table

log = logging.getLogger(__name__)

APPLICATION = "bluelake-drain"
COMMIT_ATTEMPTS = 10
# Delta keeps statistics of timestamps in whole milliseconds, rounded down.
STATISTICS_STEP_US = 1000
_BOUNDED = ("operation", "collection")
_FILE_FACTS = frozenset(
    [
        "path",
        "size_bytes",
        "num_records",
        "min.event_at",
        "max.event_at",
        *(f"partition.{name}" for name in HOUR_PARTITION),
        *(f"{bound}.{name}" for name in _BOUNDED for bound in ("min", "max")),
    ]
)
_TABLE_CONFIGURATION = {
    "delta.logRetentionDuration": "interval 7 days",
    "delta.checkpointInterval": "100",
}


@dataclass(frozen=True)
class DataFile:
    """One live Parquet file of a snapshot.

    `hour`: the UTC hour that it belongs to, as `YYYY-MM-DDTHH`. `first_us`, `last_us`: bounds of its rows' `event_at`,
    microseconds since 1970, inclusive. `greatest`, `least`: the greatest and the least `operation` and `collection` in
    it, None where the table has no such column.
    """

    path: str
    hour: str
    rows: int
    size_bytes: int
    first_us: int
    last_us: int
    greatest: Mapping[str, object]
    least: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Commit:
    """What an append wrote: the table's new version, rows, bytes of Parquet, and the files."""

    version: int
    rows: int
    size_bytes: int


class Store:
    """The Delta tables under one folder. Not safe to carry over a fork: delta-rs' runtime does not survive it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: dict[str, DeltaTable] = {}
        self._files: dict[str, tuple[int, tuple[DataFile, ...]]] = {}

    def create_tables(self) -> None:
        """Make every table that is not there yet, empty."""
        for table in TABLES.values():
            path = self.root / table.name
            check_log(path)
            if (path / "_delta_log").is_dir() and DeltaTable.is_deltatable(str(path)):
                continue
            path.mkdir(parents=True, exist_ok=True)
            DeltaTable.create(
                str(path),
                schema=table.schema,
                partition_by=list(table.partition),
                name=table.name,
                configuration=_TABLE_CONFIGURATION,
                mode="ignore",
            )
            _fsync_commit(path, 0, [])
            fsync_path(self.root)

    def exists(self, name: str) -> bool:
        """Whether the table `name` has been created."""
        return (self.root / name / "_delta_log").is_dir()

    def table(self, name: str) -> DeltaTable:
        """The table at its newest version."""
        opened = self._open.get(name)
        if opened is None:
            check_log(self.root / name)
            opened = self._open[name] = DeltaTable(str(self.root / name))
        else:
            opened.update_incremental()
        return opened

    def files(self, name: str) -> tuple[DataFile, ...]:
        """The live files of the newest version of `name`, in no particular order; none if there is no table."""
        if not self.exists(name):
            return ()
        table = self.table(name)
        version = table.version()
        cached = self._files.get(name)
        if cached is None or cached[0] != version:
            cached = self._files[name] = (version, _list_files(table, self.root / name))
        return cached[1]

    def committed_flush(self, name: str) -> int:
        """The last flush number that is committed to `name`; 0 where none is."""
        return self.table(name).transaction_version(APPLICATION) or 0

    def transaction_version(self, name: str, application: str) -> int:
        """The last version that `application` committed to `name`; 0 where none is."""
        return self.table(name).transaction_version(application) or 0

    def commit_counts(self, name: str, after_flush: int) -> list[dict[str, object]]:
        """The counts that the commits of `name` past `after_flush` carried, newest first."""
        found = []
        for entry in self.table(name).history(50):
            counts = entry.get("bluelake")
            if counts is None:
                continue
            parsed = json.loads(counts)
            if parsed["last_flush"] <= after_flush:
                break
            found.append(parsed)
        return found

    def append(
        self,
        table: Table,
        rows: pa.Table,
        flush: int,
        counts: Mapping[str, object],
        *,
        application: str = APPLICATION,
    ) -> Commit | None:
        """Commit `rows` as everything up to flush number `flush`, and bring it to the disk.

        For another `application` than the drain, `flush` is a number of its own, and does not touch the drain's.
        Returns None, and writes nothing, if `flush` or a later one is already committed. `counts` goes into the commit's
        metadata. A conflict with another writer is tried again from a fresh snapshot. Raises CommitError (RefusedError
        where delta-rs refuses the rows), OSError.
        """
        path = self.root / table.name
        for attempt in range(COMMIT_ATTEMPTS):
            delta = DeltaTable(str(path))
            if (delta.transaction_version(application) or 0) >= flush:
                return None
            try:
                write_deltalake(
                    delta,
                    rows,
                    mode="append",
                    writer_properties=writer_properties(table),
                    commit_properties=CommitProperties(
                        app_transactions=[Transaction(application, flush)],
                        custom_metadata=_metadata(application, flush, counts),
                        max_commit_retries=0,
                    ),
                )
            except CommitFailedError as error:
                log.warning("commit to %s conflicted (attempt %d): %s", table.name, attempt + 1, error)
                continue
            except DeltaError as error:
                raise RefusedError(
                    f"{table.name}: cannot be written: {next(iter(str(error).splitlines()), error)}"
                ) from error
            crash_point("after-commit-before-fsync")
            return _settle(path, delta.version(), rows.num_rows)
        raise CommitError(f"{table.name}: {COMMIT_ATTEMPTS} commits in a row conflicted with other writers")


def _metadata(application: str, flush: int, counts: Mapping[str, object]) -> dict[str, str]:
    """What a commit tells of itself; only of the drain's are the counts ever read again."""
    if application == APPLICATION:
        return {"bluelake": json.dumps({"last_flush": flush, **counts})}
    return {application: json.dumps(dict(counts))}


def writer_properties(table: Table) -> WriterProperties:
    """How Parquet files of `table` are encoded."""
    columns = {
        name: ColumnProperties(dictionary_enabled=False, encoding=ENCODINGS[name])
        for name in table.column_names
        if name in ENCODINGS
    }
    return WriterProperties(compression="ZSTD", compression_level=3, column_properties=columns)


def check_log(path: Path) -> None:
    """Refuse a Delta log whose newest entry is empty, not JSON, or names a data file that is not whole.

    A power loss can leave all three. delta-rs loads such a log without a word as the version before. Raises CorruptLogError.
    """
    entries = sorted((path / "_delta_log").glob("[0-9]*.json")) if (path / "_delta_log").is_dir() else []
    if not entries:
        return
    newest = entries[-1]
    try:
        lines = newest.read_bytes().splitlines()
        actions = [json.loads(line) for line in lines]
    except ValueError:
        actions = []
    added = [action["add"] for action in actions if "add" in action]
    broken = [add["path"] for add in added if not _has_size(path / unquote(add["path"]), add["size"])]
    if broken:
        raise CorruptLogError(
            f"{newest}: names {broken[0]}, which is missing or cut off, as after a power loss; delete this one entry if "
            "nothing was committed after it (docs/operations.md, 'An empty log entry'), then start again"
        )
    if not actions:
        raise CorruptLogError(
            f"{newest}: empty or cut off, as after a power loss; delete this one file if nothing was committed after it "
            "(docs/operations.md, 'An empty log entry'), then start again"
        )


def _has_size(path: Path, size_bytes: int) -> bool:
    try:
        return path.stat().st_size == size_bytes
    except FileNotFoundError:
        return False


def _list_files(table: DeltaTable, root: Path) -> tuple[DataFile, ...]:
    actions = pa.table(table.get_add_actions(flatten=True))
    known = [name for name in actions.column_names if name in _FILE_FACTS]
    return tuple(_data_file(action, root) for action in actions.select(known).to_pylist())


def _data_file(action: dict[str, object], root: Path) -> DataFile:
    hour = "{}-{}-{}T{}".format(*(action[f"partition.{name}"] for name in HOUR_PARTITION))
    greatest = {name: action.get(f"max.{name}") for name in _BOUNDED}
    first, last = action["min.event_at"], action["max.event_at"]
    return DataFile(
        path=str(root / unquote(str(action["path"]))),
        hour=hour,
        rows=int(str(action["num_records"])),
        size_bytes=int(str(action["size_bytes"])),
        first_us=_microseconds(first),
        last_us=_microseconds(last) + STATISTICS_STEP_US,
        greatest=greatest,
        least={name: action.get(f"min.{name}") for name in _BOUNDED},
    )


def _microseconds(moment: object) -> int:
    if not isinstance(moment, datetime):
        raise CorruptLogError(f"a data file's statistics say {moment!r} of event_at: it was not written by Bluelake")
    return to_us(moment)


def _settle(path: Path, version: int, rows: int) -> Commit:
    """fsync what the commit `version` added, and tell its size."""
    entry = path / "_delta_log" / f"{version:020d}.json"
    added = [action["add"] for action in map(json.loads, entry.read_bytes().splitlines()) if "add" in action]
    _fsync_commit(path, version, [path / unquote(add["path"]) for add in added])
    return Commit(version, rows, sum(add["size"] for add in added))


def _fsync_commit(path: Path, version: int, data_files: Iterable[Path]) -> None:
    """Bring data files, the log entry that names them, a checkpoint of it, and all their folders to the disk."""
    log_dir = path / "_delta_log"
    files = list(data_files)
    folders = {folder for file in files for folder in file.parents if folder.is_relative_to(path)}
    checkpoint = [log_dir / "_last_checkpoint", *log_dir.glob(f"{version:020d}.checkpoint*")]
    logs = [log_dir / f"{version:020d}.json", *(file for file in checkpoint if file.exists())]
    with ThreadPoolExecutor(max_workers=8) as pool:
        # Data first: once the log entry is on the disk, what it names must be there too.
        for group in (files, sorted(folders), logs, [log_dir, path]):
            list(pool.map(fsync_path, group))
