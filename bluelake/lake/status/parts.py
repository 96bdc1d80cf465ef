"""The state of each part in one word and one line: the facts of collector.py as a person reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bluelake.buffer.errors import BufferError
from bluelake.core import clock
from bluelake.core.clock import to_us
from bluelake.core.errors import BluelakeError
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.status.batches import BatchRow
from bluelake.lake.status.collector import (
    BufferFacts,
    Collector,
    GapsFacts,
    LakeFacts,
    MaintainFacts,
    ProcessFacts,
    RejectsFacts,
    SealFacts,
    UnreadableFactError,
    ViewsFacts,
)
from bluelake.lake.status.gaps import describe

WARNING = "warning"
# Seals run hourly, maintenances and refreshes daily. After so long without one, somebody should look.
SEAL_LATE_SECONDS = 3 * 3600.0
MAINTAIN_LATE_SECONDS = 2 * 86400.0
REFRESH_LATE_SECONDS = 2 * 86400.0
# A status older than this says nothing about its process any more.
STALE_SECONDS = {"ingest": 30.0, "drain": 900.0}


@dataclass(frozen=True)
class Part:
    """One part: whether it works, its state in one word, and one line for a person.

    A part in state `warning` works, and somebody should look at it.
    """

    name: str
    ok: bool
    state: str
    detail: str


def status(settings: Settings) -> list[Part]:
    """Every part of the installation at `settings.home`, whatever is down."""
    collector = Collector(settings, Store(settings.lake_dir))
    return [
        process_part(collector.process("ingest"), clock.now()),
        _buffer(collector),
        process_part(collector.process("drain"), clock.now()),
        _or_down("lake", lambda: lake_part(collector.lake(), clock.now())),
        _or_down("rejects", lambda: rejects_part(collector.rejects(clock.now()))),
        _or_down("gaps", lambda: gaps_part(collector.gaps())),
        _or_down("views", lambda: views_part(collector.views(), clock.now())),
        _or_down("seal", lambda: seal_part(collector.seal(clock.now()), clock.now())),
        _or_down("maintain", lambda: maintain_part(collector.maintain(), clock.now())),
    ]


def _buffer(collector: Collector) -> Part:
    try:
        return buffer_part(collector.buffer())
    except BufferError as error:
        return Part("buffer", False, "down", f"{error}; start Redis, nothing is lost meanwhile")


def _or_down(name: str, read: Callable[[], Part]) -> Part:
    """The part that `read` gives, or `down` with the reason where its facts cannot be read."""
    try:
        return read()
    except UnreadableFactError as error:
        return Part(name, False, "down", error.reason)
    except (BluelakeError, OSError) as error:
        return Part(name, False, "down", str(error))


def process_part(process: ProcessFacts, now: datetime) -> Part:
    """The last status of a process, and whether it has been silent for too long at `now`."""
    name, status = process.name, process.status
    if status is None:
        return Part(name, False, "unknown", f"{name} has not run on this BLUELAKE_HOME yet")
    age = _seconds(status.at_us, now)
    detail = f"{status.message} ({_ago(age)})"
    if status.state == "stopped":
        return Part(name, False, status.state, detail)
    if status.ok and age > STALE_SECONDS[name]:
        return Part(name, False, "silent", f"{detail}; look at its log")
    return Part(name, status.ok, status.state, detail)


def buffer_part(buffer: BufferFacts) -> Part:
    """What a Redis that answers holds."""
    return Part("buffer", True, "up", f"{buffer.events:,} events, {buffer.size_bytes / 1e6:,.1f} MB")


def lake_part(lake: LakeFacts, now: datetime) -> Part:
    """How far the lake is, for `bluelake status`: the committed flush, and the age of the newest event."""
    if lake.newest_event_at is None:
        return Part("lake", True, "empty", "no events yet; `bluelake drain` takes what the buffer holds")
    age = (now - lake.newest_event_at).total_seconds()
    return Part("lake", True, "up", f"flush {lake.committed_flush} is committed; newest event {_ago(age)}")


def last_batch_part(batch: BatchRow | None) -> Part:
    """How far the lake is, for `/healthz`: the events of the last batch. None: there is no batch."""
    if batch is None:
        return Part("lake", True, "empty", "no batch yet; a drain brings the first")
    return Part("lake", True, "up", f"the last batch took {batch.events_in:,} events")


def rejects_part(rejects: RejectsFacts) -> Part:
    """Whether too many events of the worst recent batch could not be rows. They are kept, and nothing stops."""
    batch = rejects.worst
    if batch is None:
        return Part("rejects", True, "ok", "no batch in the last day")
    share = f"{batch.rejects:,} of {batch.events_in:,} events"
    detail = f"{share} of the worst batch of late, {batch.written_at:%H:%M:%S} UTC"
    if not rejects.alert:
        return Part("rejects", True, "ok", detail)
    detail = f"{detail} ({batch.reject_ratio:.1%}) could not be rows"
    return Part("rejects", True, WARNING, f"{detail}: see `bluelake sql 'FROM rejects'`")


def gaps_part(gaps: GapsFacts) -> Part:
    """Whether any gap is open."""
    return Part("gaps", True, WARNING if gaps.open else "ok", describe(gaps.gaps))


def views_part(views: ViewsFacts, now: datetime) -> Part:
    """When the views were published, whether the last refresh failed, and whether the next one is overdue at `now`."""
    published, refresh = views.published, views.refresh
    detail, since_us = "not published yet; `bluelake views refresh` builds them", views.oldest_file_us
    if published is not None:
        since_us = to_us(published.published_at)
        detail = f"{len(published.views)} views, published {_ago(_seconds(since_us, now))}"
    if views.held_back:
        held = ", ".join(view.name for view in views.held_back)
        detail = f"{detail}; held back with earlier rows: {held}"
    if refresh is not None and not refresh.ok:
        failed = f"the last refresh failed {_ago(_seconds(refresh.at_us, now))}: {refresh.message}"
        return Part("views", True, WARNING, f"{detail}; {failed}")
    if since_us is not None and _seconds(since_us, now) > REFRESH_LATE_SECONDS:
        return Part("views", True, WARNING, f"{detail}; overdue: see whether refresh_views runs")
    return Part("views", True, "published" if published else "none", detail)


def seal_part(seal: SealFacts, now: datetime) -> Part:
    """Whether the last seal ended well, which hours wait for the next one, and whether they wait for too long at `now`.

    An hour waits since it could first have been sealed. An old hour whose events came just now is not late.
    """
    status, waiting = seal.status, seal.waiting
    if status is not None and not status.ok:
        return Part("seal", False, status.state, f"{status.message} ({_ago(_seconds(status.at_us, now))})")
    if not waiting.count:
        return Part("seal", True, "sealed", "every hour that has passed is sealed")
    detail = f"{waiting.count} hours wait to be sealed, the oldest {waiting.oldest}"
    waited = _seconds(waiting.since_us, now)
    if waited <= SEAL_LATE_SECONDS:
        return Part("seal", True, "waiting", detail)
    late = f"the first could be sealed {_ago(waited)}: see whether seal_hours runs"
    return Part("seal", True, WARNING, f"{detail}; {late}")


def maintain_part(maintain: MaintainFacts, now: datetime) -> Part:
    """The last status of the maintenance, and whether the next one is overdue at `now`."""
    status, oldest_us = maintain.status, maintain.oldest_file_us
    if status is None:
        if oldest_us is None or _seconds(oldest_us, now) <= MAINTAIN_LATE_SECONDS:
            return Part("maintain", True, "none", "has not run yet; `bluelake maintain` purges and vacuums")
        held = f"the oldest file is of {_ago(_seconds(oldest_us, now))}"
        return Part("maintain", True, WARNING, f"has never run, and {held}: see whether maintain_lake runs")
    age = _seconds(status.at_us, now)
    detail = f"{status.message} ({_ago(age)})"
    if status.ok and age > MAINTAIN_LATE_SECONDS:
        return Part("maintain", True, WARNING, f"{detail}: see whether maintain_lake runs")
    return Part("maintain", status.ok, status.state, detail)


def _seconds(since_us: int, now: datetime) -> float:
    return (to_us(now) - since_us) / 1e6


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago"
