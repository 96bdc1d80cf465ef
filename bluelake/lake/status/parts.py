"""How each part is, and how old the data: what `bluelake status`, `/healthz` and the metrics tell."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
from deltalake.exceptions import DeltaError

from bluelake.buffer.client import Buffer, Depth
from bluelake.buffer.errors import BufferError
from bluelake.core import clock
from bluelake.core.clock import now_us, to_datetime, to_us
from bluelake.core.errors import BluelakeError
from bluelake.core.settings import Settings
from bluelake.core.status import read_status
from bluelake.core.watermark import read_watermark
from bluelake.lake.compaction import waiting_hours
from bluelake.lake.delta import Store
from bluelake.lake.status.gaps import Gap, describe, read_gaps
from bluelake.lake.status.recent_batches import REASONS_SECONDS, RecentBatch, read_recent, worst
from bluelake.lake.tables import TABLES
from bluelake.lake.views import current

WARNING = "warning"
# How long an hour that could be sealed waits for one of the hourly seals, and the lake for one of the daily maintenances,
# before somebody should look.
SEAL_LATE_SECONDS = 3 * 3600.0
MAINTAIN_LATE_SECONDS = 2 * 86400.0
# What the ingester or the drain said longer ago than this is no news of how it is.
STALE_SECONDS = {"ingest": 30.0, "drain": 900.0}


@dataclass(frozen=True)
class Part:
    """One part: whether it is as it should be, one word, and one line for a person.

    A part whose state is `warning` works, and somebody should look all the same.
    """

    name: str
    ok: bool
    state: str
    detail: str


def status(settings: Settings) -> list[Part]:
    """Every part of the installation at `settings.home`, whatever is down."""
    return [
        process_part(settings, "ingest"),
        buffer_part(settings),
        process_part(settings, "drain"),
        _or_down("lake", lambda: lake_part(settings, Store(settings.lake_dir))),
        _or_down("rejects", lambda: _rejects(settings, clock.now())),
        _or_down("gaps", lambda: gaps_part(read_gaps(settings, Store(settings.lake_dir)))),
        _or_down("views", lambda: views_part(settings)),
        _or_down("seal", lambda: seal_part(settings, Store(settings.lake_dir), clock.now())),
        _or_down("maintain", lambda: maintain_part(settings, Store(settings.lake_dir), clock.now())),
    ]


def _or_down(name: str, look: Callable[[], Part]) -> Part:
    """What `look` finds, or, where its own state is broken, that it is."""
    try:
        return look()
    except (BluelakeError, OSError, duckdb.Error, DeltaError) as error:
        return Part(name, False, "down", str(error))


def process_part(settings: Settings, name: str) -> Part:
    """What the process `name` last said of itself."""
    status = read_status(settings, name)
    if status is None:
        return Part(name, False, "unknown", f"{name} has not run on this BLUELAKE_HOME yet")
    age = (now_us() - status.at_us) / 1e6
    detail = f"{status.message} ({_ago(age)})"
    if status.state == "stopped":
        return Part(name, False, status.state, detail)
    if status.ok and age > STALE_SECONDS[name]:
        return Part(name, False, "silent", f"{detail}; look at its log")
    return Part(name, status.ok, status.state, detail)


def buffer_part(settings: Settings) -> Part:
    """Whether Redis answers, and what it holds."""
    try:
        depth = buffer_depth(settings)
    except BufferError as error:
        return Part("buffer", False, "down", f"{error}; start Redis, nothing is lost meanwhile")
    events = sum(queue.events for queue in depth.values())
    held = sum(queue.size_bytes for queue in depth.values())
    return Part("buffer", True, "up", f"{events:,} events, {held / 1e6:,.1f} MB")


def buffer_depth(settings: Settings) -> dict[str, Depth]:
    """What each queue holds. Raises BufferError within about a second."""
    buffer = Buffer(settings.redis_url, timeout_seconds=1.0)
    try:
        return buffer.depth()
    finally:
        buffer.close()


def data_through(store: Store) -> datetime | None:
    """The time of the newest event that the lake holds, to the millisecond; None while it holds none."""
    newest = max((file.last_us for name in ("likes", "posts") for file in store.files(name)), default=None)
    return None if newest is None else to_datetime(newest)


def lake_part(settings: Settings, store: Store) -> Part:
    """How far the lake is."""
    watermark = read_watermark(settings.watermark_path)
    newest = data_through(store)
    if newest is None:
        return Part("lake", True, "empty", "no events yet; `bluelake drain` takes what the buffer holds")
    age = (clock.now() - newest).total_seconds()
    return Part("lake", True, "up", f"flush {watermark.committed} is committed; newest event {_ago(age)}")


def rejects_part(settings: Settings, batch: RecentBatch | None) -> Part:
    """Whether more than REJECT_ALERT_RATIO of the events of `batch`, the worst of late, could not be rows. None: there is none.

    They are kept, and nothing stops.
    """
    if batch is None:
        return Part("rejects", True, "ok", "no batch in the last day")
    detail = f"{batch.rejects:,} of {batch.events:,} events of the worst batch of late, {batch.written_at:%H:%M:%S} UTC"
    if not raises_alert(settings, batch):
        return Part("rejects", True, "ok", detail)
    detail = f"{detail} ({batch.reject_ratio:.1%}) could not be rows"
    return Part("rejects", True, WARNING, f"{detail}: see `bluelake sql 'FROM rejects'`")


def raises_alert(settings: Settings, batch: RecentBatch) -> bool:
    """Whether too many of the events of `batch` were rejected."""
    return batch.reject_ratio > settings.reject_alert_ratio


def gaps_part(gaps: list[Gap]) -> Part:
    """Whether any gap is open."""
    open_ = any(gap.repaired_at is None for gap in gaps)
    return Part("gaps", True, WARNING if open_ else "ok", describe(gaps))


def _rejects(settings: Settings, now: datetime) -> Part:
    since = now - timedelta(seconds=REASONS_SECONDS)
    return rejects_part(settings, worst(read_recent(settings, Store(settings.lake_dir), since), now))


def views_part(settings: Settings) -> Part:
    """When the cached views were published."""
    published = current(settings)
    if published is None:
        return Part("views", True, "none", "not published yet; `bluelake views refresh` builds them")
    age = (clock.now() - published.published_at).total_seconds()
    return Part("views", True, "published", f"{len(published.views)} views, published {_ago(age)}")


def seal_part(settings: Settings, store: Store, now: datetime) -> Part:
    """Whether the last seal went well, what waits at `now` for the next one, and whether it has waited for too long.

    What counts is since when an hour could have been sealed: one of long ago that has come just now is not late.
    """
    status = read_status(settings, "seal")
    if status is not None and not status.ok:
        return Part("seal", False, status.state, f"{status.message} ({_ago(_seconds(status.at_us, now))})")
    waiting = waiting_hours(settings, store, now)
    if not waiting:
        return Part("seal", True, "sealed", "every hour that has passed is sealed")
    hours = len({hour for hour, _, _ in waiting})
    detail = f"{hours} hours wait to be sealed, the oldest {waiting[0].hour}"
    waited = _seconds(min(hour.since_us for hour in waiting), now)
    if waited <= SEAL_LATE_SECONDS:
        return Part("seal", True, "waiting", detail)
    return Part(
        "seal", True, WARNING, f"{detail}; the first could be sealed {_ago(waited)}: see whether seal_hours runs"
    )


def maintain_part(settings: Settings, store: Store, now: datetime) -> Part:
    """What the last maintenance said, how many deleted rows it has still to purge, and whether at `now` it is overdue."""
    status = read_status(settings, "maintain")
    if status is None:
        oldest_us = min((file.added_us for name in TABLES for file in store.files(name)), default=None)
        if oldest_us is None or _seconds(oldest_us, now) <= MAINTAIN_LATE_SECONDS:
            return Part("maintain", True, "none", "has not run yet; `bluelake maintain` purges and vacuums")
        held = f"the oldest file is of {_ago(_seconds(oldest_us, now))}"
        return Part("maintain", True, WARNING, f"has never run, and {held}: see whether maintain_lake runs")
    age = _seconds(status.at_us, now)
    detail = f"{status.message} ({_ago(age)})"
    if status.ok and age > MAINTAIN_LATE_SECONDS:
        return Part("maintain", True, WARNING, f"{detail}: see whether maintain_lake runs")
    return Part("maintain", status.ok, status.state, detail)


def last_well_seconds(settings: Settings, task: str) -> float:
    """When `task` (seal, maintain) last ended well, seconds since 1970; 0 where it never has."""
    status = read_status(settings, task)
    return (status.last_well_us or 0) / 1e6 if status else 0.0


def _seconds(since_us: int, now: datetime) -> float:
    return (to_us(now) - since_us) / 1e6


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago"
