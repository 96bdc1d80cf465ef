"""The Delta tables on disk: opening, listing live files, and durable commits.

All writes of the lake go through `Store.append` and `Store.replace_files`. Each reads, checks and writes through one
`DeltaTable` object, since delta-rs accepts a repeated transaction version when a write goes by path. delta-rs does not
fsync, so each makes its commit durable before it returns (`bluelake/lake/delta/log.py`).
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    Transaction,
    write_deltalake,  # noqa: TID251 - this is the one place
)
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import RemoveAction

from bluelake.core.clock import file_now, to_us
from bluelake.core.crash import crash_point
from bluelake.core.files import fsync_path
from bluelake.core.version import VERSION
from bluelake.lake.delta.actions import add_action, writer_properties
from bluelake.lake.delta.live import DataFile as DataFile
from bluelake.lake.delta.live import Live, live_files
from bluelake.lake.delta.log import added_by, check_log, entries, fsync_commits, metadata_of, recover, write_checkpoint
from bluelake.lake.delta.rewrite import NewFile
from bluelake.lake.errors import CommitError, CorruptLogError, RefusedError
from bluelake.lake.tables import RULES, TABLES, Table

log = logging.getLogger(__name__)

APPLICATION = "bluelake-drain"
COMMIT_ATTEMPTS = 10
# A rewrite overtaken by other commits is only committed again, which takes milliseconds.
REPLACE_ATTEMPTS = 1000
CHECKPOINT_INTERVAL = 100
_TABLE_CONFIGURATION = {
    "delta.logRetentionDuration": "interval 7 days",
    "delta.checkpointInterval": str(CHECKPOINT_INTERVAL),
}
# A hook that fails would make a commit that stands look like one that failed. Checkpoints are written once it is
# durable; the maintenance removes old entries.
_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
# What every commit says of its writer. A rewrite keeps the rows of its files as they were read.
_WRITTEN_BY = {"bluelake_version": VERSION, "bluelake_rules": str(RULES)}


@dataclass(frozen=True)
class Commit:
    """What a commit wrote: the table's new version, rows, bytes of Parquet, and the files' paths below the table."""

    version: int
    rows: int
    size_bytes: int
    paths: tuple[str, ...]


class Store:
    """The Delta tables under one folder. Not safe to carry over a fork: delta-rs' runtime does not survive it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: dict[str, DeltaTable] = {}
        # When the folder of a table's log was changed last, as of the last look at it.
        self._changed_ns: dict[str, int] = {}
        self._live: dict[str, Live] = {}
        self._durable: dict[str, int] = {}

    def recover(self, durable: Callable[[str], int | None]) -> None:
        """Make the logs whole after a power loss, and all that is in them durable. For writers, at their start.

        `durable`: the version of a table that is known to be durable (`log.recover`). Raises CorruptLogError.
        """
        for name in TABLES:
            self._durable[name] = recover(self.root / name, durable(name))

    @property
    def durable(self) -> dict[str, int]:
        """Versions that this store has made durable, with everything before them."""
        return dict(self._durable)

    def create_tables(self) -> None:
        """Make every table that is not there yet, empty, and give those of an earlier version their new columns."""
        for table in TABLES.values():
            path = self.root / table.name
            check_log(path)
            if self.exists(table.name):
                self._add_columns(table)
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
            self._durable[table.name] = fsync_commits(path, -1, 0)
            fsync_path(self.root)

    def _add_columns(self, table: Table) -> None:
        """Give a table that an earlier version made the columns that came later."""
        opened = self.table(table.name)
        known = {field.name for field in opened.schema().fields}
        added = pa.schema([field for field in table.schema if field.name not in known])
        if len(added):
            log.info("%s: new columns: %s", table.name, ", ".join(added.names))
            opened.alter.add_columns(
                Schema.from_arrow(added).fields,
                commit_properties=CommitProperties(custom_metadata=_WRITTEN_BY),
                post_commithook_properties=_HOOKS,
            )
            self.make_durable(table.name)

    def exists(self, name: str) -> bool:
        """Whether the table `name` has been created: its log has an entry, or a checkpoint of removed ones."""
        return any((self.root / name / "_delta_log").glob("[0-9]*"))

    def table(self, name: str) -> DeltaTable:
        """The table at its newest version."""
        log_dir = self.root / name / "_delta_log"
        opened = self._open.get(name)
        # Taken before the log is read: a commit that comes meanwhile is then looked for again.
        changed_ns = log_dir.stat().st_mtime_ns if log_dir.exists() else 0
        if opened is None:
            check_log(self.root / name)
            opened = self._open[name] = DeltaTable(str(self.root / name))
        elif changed_ns != self._changed_ns.get(name) or (log_dir / f"{opened.version() + 1:020d}.json").exists():
            # Only then, since it takes a hundred times as long as these two looks at the folder. The folder's time alone is
            # too coarse, and the next entry may be gone where the table was not looked at for a week.
            opened.update_incremental()
        self._changed_ns[name] = changed_ns
        return opened

    def files(self, name: str) -> tuple[DataFile, ...]:
        """The live files of the newest version of `name`, in no particular order; none if there is no table."""
        if not self.exists(name):
            return ()
        return self._live_at(name, self.table(name)).files

    def _live_at(self, name: str, table: DeltaTable) -> Live:
        live = self._live[name] = live_files(table, self.root / name, self._live.get(name))
        return live

    def committed_flush(self, name: str) -> int:
        """The last flush number that is committed to `name`; 0 where none is."""
        return self.table(name).transaction_version(APPLICATION) or 0

    def transaction_version(self, name: str, application: str) -> int:
        """The last version that `application` committed to `name`; 0 where none is."""
        return self.table(name).transaction_version(application) or 0

    def commit_counts(self, name: str, after_flush: int) -> list[dict[str, object]]:
        """The counts that the drain's commits of `name` past `after_flush` carried, newest first.

        Raises CorruptLogError where there is such a commit, and the log does not hold it any more.
        """
        found: list[dict[str, object]] = []
        # Replays and seals commit too, so that the drain's last may lie any way back.
        for entry in reversed(entries(self.root / name)):
            carried = metadata_of(entry).get("bluelake")
            if carried is None:
                continue
            counts = json.loads(carried)
            if counts["last_flush"] <= after_flush:
                break
            found.append(counts)
        if not found and self.committed_flush(name) > after_flush:
            raise CorruptLogError(
                f"{self.root / name / '_delta_log'}: flush {self.committed_flush(name)} is committed, and its entry is missing. "
                "Restore lake/ from a backup (docs/operations.md, 'Backup')"
            )
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
        """Commit `rows` as everything up to flush number `flush`, durably.

        For another `application` than the drain, `flush` is a number of its own, and does not touch the drain's.
        Returns None, and appends nothing, if `flush` or a later one is already committed. `counts` goes into the commit's
        metadata. A conflict with another writer is tried again from a fresh snapshot. Raises CommitError (RefusedError
        where delta-rs refuses the rows), OSError.
        """
        path = self.root / table.name
        for attempt in range(COMMIT_ATTEMPTS):
            delta = DeltaTable(str(path))
            if (delta.transaction_version(application) or 0) >= flush:
                self.make_durable(table.name)
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
                    post_commithook_properties=_HOOKS,
                )
            except CommitFailedError as error:
                log.warning("commit to %s conflicted (attempt %d): %s", table.name, attempt + 1, error)
                continue
            except DeltaError as error:
                raise _refused(table, error) from error
            crash_point("after-commit-before-fsync")
            return self._fsync_commit(table, delta.version())
        raise CommitError(f"{table.name}: {COMMIT_ATTEMPTS} commits in a row conflicted with other writers")

    def replace_files(self, table: Table, replaced: Sequence[DataFile], added: Sequence[NewFile]) -> Commit | None:
        """Put the files `added`, which hold the rows of `replaced`, into their place in one durable commit.

        Only the files that were read are taken out: what another commit added to the hour meanwhile stays, in a file of its
        own. Returns None, and changes nothing, if any of them is no longer live. The replaced files stay where they are until
        a vacuum. Raises CommitError, OSError.
        """
        path = self.root / table.name
        for attempt in range(REPLACE_ATTEMPTS):
            delta = DeltaTable(str(path))
            # delta-rs would let two rewrites of one file both in: only what was live at this very version is replaced.
            if not {file.path for file in replaced} <= self._live_at(table.name, delta).by_path.keys():
                return None
            # A vacuum tells by its own clock, not by a stepped one, since when a file has been replaced.
            now_ms, version = to_us(file_now()) // 1000, delta.version() + 1
            try:
                delta.create_write_transaction(
                    [
                        *(add_action(file, now_ms) for file in added),
                        *(_remove(file, path, now_ms) for file in replaced),
                    ],
                    mode="append",
                    schema=delta.schema(),
                    partition_by=list(table.partition),
                    commit_properties=CommitProperties(custom_metadata=_WRITTEN_BY, max_commit_retries=0),
                    post_commithook_properties=_HOOKS,
                )
            except CommitFailedError as error:
                log.info("%s: overtaken by another commit (attempt %d): %s", table.name, attempt + 1, error)
                continue
            except DeltaError as error:
                raise _refused(table, error) from error
            crash_point("mid-seal-commit")
            return self._fsync_commit(table, version)
        raise CommitError(f"{table.name}: overtaken by other commits {REPLACE_ATTEMPTS} times")

    def make_durable(self, name: str) -> None:
        """Make all that the log of table `name` holds durable: a writer may have failed between its commit and the fsync."""
        self._durable[name] = fsync_commits(self.root / name, self._durable.get(name, -1), self.table(name).version())

    def _fsync_commit(self, table: Table, version: int) -> Commit:
        """fsync a commit, and those between it and the last that is known to be durable. Returns its size."""
        path = self.root / table.name
        self._durable[table.name] = fsync_commits(path, self._durable.get(table.name, version - 1), version)
        if version % CHECKPOINT_INTERVAL == 0:
            try:
                write_checkpoint(path, version)
            except (DeltaError, OSError) as error:
                # Without it, reading the log takes longer, and that is all.
                log.warning("%s: no checkpoint of version %d: %s", table.name, version, error)
        added = added_by(path / "_delta_log" / f"{version:020d}.json")
        rows = sum(json.loads(add["stats"])["numRecords"] for add in added)
        paths = tuple(unquote(add["path"]) for add in added)
        return Commit(version, rows, sum(add["size"] for add in added), paths)


def _metadata(application: str, flush: int, counts: Mapping[str, object]) -> dict[str, str]:
    """What a commit tells of itself; only of the drain's are the counts ever read again."""
    if application == APPLICATION:
        return {**_WRITTEN_BY, "bluelake": json.dumps({"last_flush": flush, **counts})}
    return {**_WRITTEN_BY, application: json.dumps(dict(counts))}


def _remove(file: DataFile, root: Path, now_ms: int) -> RemoveAction:
    partition: dict[str, str | None] = dict(file.partition)
    return RemoveAction(str(Path(file.path).relative_to(root)), False, now_ms, file.size_bytes, partition)


def _refused(table: Table, error: DeltaError) -> RefusedError:
    return RefusedError(f"{table.name}: cannot be written: {next(iter(str(error).splitlines()), error)}")
