"""One refresh of the cached views: compute what is missing or stale, audit it, publish a copy.

You may repeat a refresh, and kill it at any time:

- The published views change in one step, at the end.
- SQLMesh records an interval only after its audits have passed.
- A view that fails holds back nobody but itself: its last good version is published beside the new ones.
- A list holds the stale days (`transforms.changes`). A day leaves it when it is computed.

A lock file keeps two refreshes apart. Drains wait for a refresh. After HEAVY_MAX_MINUTES it therefore leaves the rest of
the list to the next one.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from sqlmesh import Context
from sqlmesh.utils.errors import PlanError, SQLMeshError

from bluelake.core.settings import Settings
from bluelake.core.status import failure_reported, report
from bluelake.lake.delta import Store
from bluelake.lake.views import ViewInfo, current, publish
from transforms import changes, source
from transforms.console import Progress, RefreshConsole
from transforms.copying import copy_views
from transforms.errors import AuditFailedError, BuildError, RefreshRunningError
from transforms.project import PROJECT, SCHEMA, build_path, open_project, tables_read, view_models, view_name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RefreshResult:
    """What a refresh did.

    `version`: the name of the published version. `intervals`: the number of computed days, summed over the views.
    `waiting`: the number of stale days that it leaves to the next refresh for lack of time.
    """

    version: str
    views: tuple[ViewInfo, ...]
    seconds: float
    intervals: int
    waiting: int


def refresh(
    settings: Settings, *, now: datetime, progress: Progress | None = None, project: Path = PROJECT
) -> RefreshResult:
    """Build the views from the lake's events before `now`, and publish them.

    A refresh always computes the missing days, today, LOOKBACK_DAYS before it, and one stale day. It computes further
    stale days until HEAVY_MAX_MINUTES are over.

    `now`: an aware datetime. Its day is computed as far as it has passed. `progress`: called after each interval, with
    the number done, the number in all, and the view's name. `project`: the folder of the SQLMesh project.

    Raises AuditFailedError or BuildError where a view fails. The other views are published all the same, and the failed
    one with its last good rows. Raises RefreshRunningError or LakeError, and publishes nothing then.
    """
    began = time.monotonic()
    end = began + settings.heavy_max_minutes * 60
    now = now.astimezone(UTC)
    settings.views_dir.mkdir(parents=True, exist_ok=True)
    console = RefreshConsole(progress)
    with _only_one(settings.views_dir / "refresh.lock"), failure_reported(settings, "refresh"):
        store = Store(settings.lake_dir)
        built = settings.views_dir / "next.duckdb"
        try:
            views, waiting = _build(settings, store, now, console, project, built, end)
        except (SQLMeshError, duckdb.Error) as error:
            raise console.error(error) from error
        version = publish(settings, built, views).version
        seconds = time.monotonic() - began
        log.info("views %s: %d intervals in %.1f s, %d stale days wait", version, console.done, seconds, waiting)
        if console.failed:
            raise _held_back(console.failed, version)
        report(settings, "refresh", ok=True, state="done", message=f"{len(views)} views computed")
    return RefreshResult(version, tuple(views), seconds, console.done, waiting)


def _held_back(failed: Mapping[str, BuildError], version: str) -> BuildError:
    """The error that names the views that failed, after the others were published as `version`."""
    kind = AuditFailedError if any(isinstance(error, AuditFailedError) for error in failed.values()) else BuildError
    named, reasons = ", ".join(sorted(failed)), "; ".join(str(error) for _, error in sorted(failed.items()))
    return kind(f"{named} held back with the last good rows, the others are published as version {version}: {reasons}")


def _build(
    settings: Settings, store: Store, now: datetime, console: RefreshConsole, project: Path, built: Path, end: float
) -> tuple[list[ViewInfo], int]:
    """Build until the monotonic time `end`. Returns the views, and how many stale days are left."""
    # This look comes first. The next refresh then takes for new what is committed meanwhile.
    seen = changes.look(store, now)
    start = min(filter(None, (changes.first_day(seen), changes.earliest_known(build_path(settings)))))
    with (
        source.reading(store, settings),
        open_project(settings, console, start=start, project=project) as context,
    ):
        adapter = context.engine_adapter
        before = changes.recall(adapter)
        if before is None:
            # Noted before anything is computed. After a kill, the next refresh compares with what this one saw.
            changes.remember(adapter, seen, ())
            before = seen
        _compute_missing(context, now, console)
        seen = changes.since(store, before, seen)
        reads = {view_name(model): tables_read(model) for model in view_models(context)}
        stale = changes.stale(adapter, store, settings, before, seen, reads)
        changes.remember(adapter, seen, stale)
        changes.discard(adapter, console.computed)
        waiting = _compute_again(context, now, end, console)
        context.run_janitor(ignore_ttl=False)
        views = copy_views(context, built, set(console.failed), current(settings))
        if not views:
            raise console.error(BuildError("no view could be computed"))
    return views, waiting


def _compute_missing(context: Context, now: datetime, console: RefreshConsole) -> None:
    """Apply new and changed models, and compute every missing interval before `now`. `console.failed`: what failed."""

    def plan(models: list[str] | None) -> None:
        context.plan(
            "prod",
            execution_time=now,
            run=True,
            ignore_cron=True,
            auto_apply=True,
            no_prompts=True,
            skip_tests=True,
            select_models=models,
        )

    try:
        plan(None)
    except PlanError:
        sound = [model.name for model in view_models(context) if view_name(model) not in console.failed]
        if not console.failed or not sound:
            raise
        # SQLMesh has computed the others, and applies no plan of which a part failed.
        log.error("held back: %s", "; ".join(map(str, console.failed.values())))
        plan(sound)


def _compute_again(context: Context, now: datetime, end: float, console: RefreshConsole) -> int:
    """Compute stale days, at least one, until the monotonic time `end`. Returns how many are left.

    A view that has failed already is left out. Its days stay on the list.
    """
    days = changes.waiting(context.engine_adapter, [view_name(model) for model in view_models(context)])
    for number, (day, listed) in enumerate(days.items()):
        if number and time.monotonic() >= end:
            return len(days) - number
        views = [view for view in listed if view not in console.failed]
        if not views:
            continue
        log.info("%s changed in the lake: computed again for %s", day, ", ".join(views))
        try:
            context.plan(
                "prod",
                restate_models=[f"{SCHEMA}.{view}" for view in views],
                start=day.isoformat(),
                end=day.isoformat(),
                execution_time=now,
                auto_apply=True,
                no_prompts=True,
                skip_tests=True,
            )
        except PlanError:
            if not console.failed.keys() & set(views):
                raise
        # SQLMesh itself knows that the day of a view that failed is missing.
        changes.discard(context.engine_adapter, [(view, day) for view in views])
    return 0


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold the lock file `path`. Raises RefreshRunningError where another process or thread holds it."""
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise RefreshRunningError(
                f"{path}: process {lock.read().strip() or '?'} is refreshing the views; wait until it has finished"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
