"""The daily maintenance purges deleted rows from sealed hours, and removes unused files and old raw chunks.

It rewrites an hour as the seal does, without the rows that are pending. Overdue hours come first, whatever the budget. Then come
those with the most pending rows, as many as `MAINTENANCE_MAX_MB` and `HEAVY_MAX_MINUTES` allow. The next run goes on there.
"""

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from deltalake.exceptions import DeltaError

from bluelake.core.clock import file_now, to_us
from bluelake.core.errors import first_line
from bluelake.core.scratch import remove_abandoned
from bluelake.core.settings import Settings, require_home
from bluelake.core.status import failure_reported, report
from bluelake.lake.compaction.pending_purge import PendingHour, PendingPurge
from bluelake.lake.compaction.sealer import HOUR_ERRORS, Sealer, failure
from bluelake.lake.delta import (
    DataFile,
    Store,
    Vacuumed,
    by_hour,
    durable_versions,
    is_sealed,
    read_sealed,
    vacuum_tables,
)
from bluelake.lake.drain import remove_old_raw
from bluelake.lake.errors import SealError
from bluelake.lake.locks import exclusive
from bluelake.lake.query import connect
from bluelake.lake.tables import TABLES

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

# Hours after which the list of rows to purge is written anew; a run that is killed rewrites at most so many again.
_DISCARDED_AT_ONCE = 50


@dataclass(frozen=True)
class Maintained:
    """What a maintenance did. `hours`: of tables, rewritten; `rows`: purged; `waiting_rows`: still to be purged,
    in `waiting_hours`; `raw_days`: days of raw chunks removed."""

    hours: int
    rows: int
    waiting_hours: int
    waiting_rows: int
    vacuumed: Vacuumed
    raw_days: list[str]


def maintain(settings: Settings, now: datetime, progress: Progress | None = None) -> Maintained:
    """Purge, vacuum and thin out the lake of `settings` as of `now`.

    `progress` is called with the hours rewritten and the hours to rewrite. What cannot be purged keeps nothing else
    from being done. Then SealError says so at the end. Raises BluelakeError, OSError, DeltaError.
    """
    require_home(settings, create=True)
    with failure_reported(settings, "maintain"), exclusive(settings, "seal"):
        done = _maintain(settings, now, progress or (lambda done, total: None))
    message = f"{done.rows:,} deleted rows purged, {done.waiting_rows:,} wait; {done.vacuumed.files:,} files vacuumed"
    report(settings, "maintain", ok=True, state="done", message=message)
    log.info("maintained: %s", message)
    return done


def _maintain(settings: Settings, now: datetime, progress: Progress) -> Maintained:
    store = Store(settings.lake_dir)
    store.recover(durable_versions(settings))
    hours, rows, waiting = 0, 0, list[PendingHour]()
    vacuumed = Vacuumed(0, 0)
    failed: list[str] = []
    # First of all: it may be what fills the disk.
    remove_abandoned(settings.spill_dir, file_now() - timedelta(hours=settings.vacuum_grace_hours))
    try:
        hours, rows, waiting = _purge(settings, store, now, progress)
    except (*HOUR_ERRORS, DeltaError, SealError) as error:
        # Unused files are removed all the same: otherwise the disk fills up.
        log.error("the purge failed: %s", first_line(error))
        failed.append(f"the purge failed: {first_line(error)}")
    try:
        vacuumed = vacuum_tables(store, settings.vacuum_grace_hours, file_now())
    except (DeltaError, OSError) as error:
        log.error("the vacuum failed: %s", first_line(error))
        failed.append(f"the vacuum failed: {first_line(error)}")
    days = remove_old_raw(settings.raw_dir, settings.raw_keep_days, now)
    if failed:
        raise SealError("; ".join(failed))
    return Maintained(hours, rows, len(waiting), sum(hour.rows for hour in waiting), vacuumed, days)


def _purge(settings: Settings, store: Store, now: datetime, progress: Progress) -> tuple[int, int, list[PendingHour]]:
    """Rewrite the hours that `_choose` chooses. Returns how many, how many rows were purged, and the hours that wait.

    Raises SealError, at the end, for hours that cannot be rewritten: they wait too.
    """
    if settings.bluelake_deletions == "keep":
        # What is sealed from now on holds deleted rows: to purge again some day, every delete must be looked at.
        shutil.rmtree(settings.maintenance_dir, ignore_errors=True)
        return 0, 0, []
    end = time.monotonic() + settings.heavy_max_minutes * 60
    connection = connect(settings)
    try:
        margin_us = settings.dedupe_margin_us
        pending = PendingPurge(settings.maintenance_dir, store, connection, margin_us)
        pending.look()
        sealer = Sealer(settings, store, connection)
        pending.discard(_emptied(store, pending.hours()))
        chosen = _choose(settings, store, pending.hours(), to_us(now))
        done, rows = [], 0
        failed: dict[str, Exception] = {}
        for number, (hour, files) in enumerate(chosen):
            if number and time.monotonic() >= end and hour.oldest_us >= _overdue_us(settings, to_us(now)):
                log.info("%d hours of tables are left to the next maintenance", len(chosen) - number)
                break
            progress(number, len(chosen))
            try:
                rewritten = sealer.rewrite(TABLES[hour.table], hour.hour, pending.select(hour), files)
            except HOUR_ERRORS as error:
                log.error("%s %s cannot be purged: %s", hour.table, hour.hour, first_line(error))
                failed[f"{hour.table} {hour.hour}"] = error
                continue
            if rewritten is not None:
                rows += rewritten.rows_before - rewritten.rows
                done.append(hour)
            if len(done) % _DISCARDED_AT_ONCE == 0:
                pending.discard(done[-_DISCARDED_AT_ONCE:])
        pending.discard(done[len(done) - len(done) % _DISCARDED_AT_ONCE :])
        progress(len(chosen), len(chosen))
        if failed:
            raise failure("purged", failed)
        return len(done), rows, pending.hours()
    finally:
        connection.close()


def _emptied(store: Store, hours: Sequence[PendingHour]) -> list[PendingHour]:
    """Those of `hours` without a file: purged whole by a run that was killed before it could say so, or by a seal."""
    live = {name: by_hour(store, name) for name in {hour.table for hour in hours}}
    return [hour for hour in hours if hour.hour not in live[hour.table]]


def _overdue_us(settings: Settings, now_us: int) -> int:
    """What was deleted before this time has to be purged now, microseconds since 1970."""
    return now_us - settings.purge_overdue_us


def _choose(
    settings: Settings, store: Store, hours: Sequence[PendingHour], now_us: int
) -> list[tuple[PendingHour, list[DataFile]]]:
    """The hours to rewrite now, in order, with their files: those overdue, then the worst as far as the budget goes.

    Late rows that come from now on are in none of these files, so that they open the hour again, and the seal judges them.
    """
    overdue_us = _overdue_us(settings, now_us)
    left = settings.maintenance_max_bytes
    names = {hour.table for hour in hours}
    live = {name: by_hour(store, name) for name in names}
    sealed = {name: read_sealed(store.root / name) for name in names}
    chosen = []
    for hour in sorted(hours, key=lambda hour: (hour.oldest_us >= overdue_us, -hour.rows, hour.hour, hour.table)):
        files = live[hour.table].get(hour.hour, [])
        if not is_sealed(store, hour.table, sealed[hour.table], hour.hour, files):
            # Opened by late rows: then the seal rewrites it, without its deleted rows.
            continue
        size_bytes = sum(file.size_bytes for file in files)
        if hour.oldest_us < overdue_us or size_bytes <= left:
            left -= size_bytes
            chosen.append((hour, files))
    return chosen
