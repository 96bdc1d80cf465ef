"""`GET /metrics`: the requests that all workers answered, and what the lake and the buffer hold.

gunicorn's workers share their counts through files in PROMETHEUS_MULTIPROC_DIR (webapi/server.py sets it).
"""

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from bluelake.buffer.errors import BufferError
from bluelake.core import clock
from bluelake.core.errors import BluelakeError
from bluelake.core.metrics import LAKE_TASKS, METRICS, WEB_METRICS, Metrics
from bluelake.lake.status import (
    REASONS_SECONDS,
    buffer_depth,
    count_reasons,
    last_well_seconds,
    missing_seconds,
    raises_alert,
    worst,
)
from bluelake.lake.views import current
from webapi.lake_access import LakeAccess, lake_access

_metrics = Metrics(WEB_METRICS, CollectorRegistry())


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count one answered request. `route`: the pattern that matched, never a path that somebody made up."""
    _metrics.counter("bluelake_web_requests_total").labels(route, method, str(status)).inc()
    _metrics.histogram("bluelake_web_request_seconds").labels(route).observe(seconds)


def metrics_view(request: HttpRequest) -> HttpResponse:
    """Everything in the Prometheus text format."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        workers = CollectorRegistry()
        MultiProcessCollector(workers)  # type: ignore[no-untyped-call]
    else:
        workers = _metrics.registry
    state = CollectorRegistry()
    state.register(_State(lake_access()))
    return HttpResponse(generate_latest(workers) + generate_latest(state), content_type=CONTENT_TYPE_LATEST)


class _State(Collector):
    """What the lake and the buffer hold, read when it is asked for; what cannot be read is left out."""

    def __init__(self, access: LakeAccess) -> None:
        self._access = access

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: registering must not read anything yet."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges of bluelake/core/metrics.py that belong to lake and buffer."""
        yield from self._buffer()
        yield self._tasks()
        readable = _family("bluelake_lake_readable")
        for part, look in self._lake().items():
            try:
                found = list(look())
            except (BluelakeError, OSError, ValueError):
                readable.add_metric([part], 0)
                continue
            readable.add_metric([part], 1)
            yield from found
        yield readable

    def _buffer(self) -> Iterator[GaugeMetricFamily]:
        try:
            depth = buffer_depth(self._access.settings)
        except BufferError:
            yield _gauge("bluelake_buffer_up", 0)
            return
        yield _gauge("bluelake_buffer_up", 1)
        events, held = _family("bluelake_buffer_events"), _family("bluelake_buffer_bytes")
        for queue, content in depth.items():
            events.add_metric([queue], content.events)
            held.add_metric([queue], content.size_bytes)
        yield events
        yield held

    def _tasks(self) -> GaugeMetricFamily:
        ended = _family("bluelake_lake_last_well_seconds")
        for task in LAKE_TASKS:
            ended.add_metric([task], last_well_seconds(self._access.settings, task))
        return ended

    def _lake(self) -> dict[str, Callable[[], Iterator[GaugeMetricFamily]]]:
        """What reads each of LAKE_PARTS: one that is broken takes no other away."""
        return {
            "views": self._views,
            "gaps": self._gaps,
            "hours": self._hours,
            "pending_purge": self._pending_purge,
            "batches": self._batches,
        }

    def _views(self) -> Iterator[GaugeMetricFamily]:
        published = current(self._access.settings)
        if published is not None:
            yield _gauge("bluelake_views_published_seconds", published.published_at.timestamp())

    def _gaps(self) -> Iterator[GaugeMetricFamily]:
        gaps = [gap for gap in self._access.gaps() if gap.repaired_at is None]
        yield _gauge("bluelake_lake_open_gaps", len(gaps))
        yield _gauge("bluelake_lake_gap_seconds", missing_seconds(gaps))

    def _hours(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge("bluelake_lake_unsealed_hours", self._access.unsealed_hours())

    def _pending_purge(self) -> Iterator[GaugeMetricFamily]:
        rows, oldest_us = self._access.pending_purge()
        yield _gauge("bluelake_lake_pending_purge_rows", rows)
        if oldest_us is not None:
            yield _gauge("bluelake_lake_oldest_pending_purge_seconds", oldest_us / 1e6)

    def _batches(self) -> Iterator[GaugeMetricFamily]:
        for batch in self._access.batches(1):
            yield _gauge("bluelake_lake_last_batch_seconds", batch.event_at.timestamp())
            yield _gauge("bluelake_lake_last_batch_events", batch.events_in)
            yield _gauge("bluelake_lake_last_batch_duration_seconds", batch.duration_ms / 1000)
            yield _gauge("bluelake_lake_last_batch_rejects", batch.rejects)
            yield _gauge("bluelake_lake_last_batch_duplicates", batch.duplicates)
            if batch.newest_event_at is not None:
                yield _gauge("bluelake_lake_data_age_seconds", batch.age_seconds())
        now = clock.now()
        recent = self._access.recent_batches(now - timedelta(seconds=REASONS_SECONDS))
        found = worst(recent, now)
        yield _gauge("bluelake_lake_worst_reject_ratio", found.reject_ratio if found else 0)
        yield _gauge(
            "bluelake_lake_reject_alert", int(found is not None and raises_alert(self._access.settings, found))
        )
        rejects = _family("bluelake_lake_recent_rejects")
        counts: dict[str, int] = dict.fromkeys(METRICS["bluelake_lake_recent_rejects"].label_values, 0)
        # Those of a newer version, whose names are unknown here, show once there are any.
        counts.update(count_reasons(recent))
        for reason, count in counts.items():
            rejects.add_metric([reason], count)
        yield rejects


def _family(name: str) -> GaugeMetricFamily:
    definition = METRICS[name]
    return GaugeMetricFamily(name, definition.meaning, labels=definition.labels)


def _gauge(name: str, value: float) -> GaugeMetricFamily:
    family = _family(name)
    family.add_metric([], value)
    return family
