"""`GET /metrics`: the requests that all workers answered, and what the lake and the buffer hold.

gunicorn's workers share their counts through files in PROMETHEUS_MULTIPROC_DIR (webapi/server.py sets it).
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector as PrometheusCollector

from bluelake.buffer.errors import BufferError
from bluelake.core import clock
from bluelake.core.errors import BluelakeError
from bluelake.core.metrics import LAKE_TASKS, METRICS, WEB_METRICS, Metrics
from bluelake.lake.status import WARNING, Collector, views_part
from webapi.lake_access import lake_access

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
    state.register(_Gauges(lake_access().collector))
    return HttpResponse(generate_latest(workers) + generate_latest(state), content_type=CONTENT_TYPE_LATEST)


class _Gauges(PrometheusCollector):
    """The facts of the buffer and the lake as gauges, read at each request. A fact that cannot be read has no gauges."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: registering must not read anything yet."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges of bluelake/core/metrics.py that belong to lake and buffer."""
        yield from self._buffer()
        ended = {task: self._collector.last_well_seconds(task) for task in LAKE_TASKS}
        yield _labelled("bluelake_lake_last_well_seconds", ended)
        readable = _family("bluelake_lake_readable")
        for part, read in self._lake().items():
            try:
                found = list(read())
            except (BluelakeError, OSError, ValueError):
                readable.add_metric([part], 0)
                continue
            readable.add_metric([part], 1)
            yield from found
        yield readable

    def _buffer(self) -> Iterator[GaugeMetricFamily]:
        try:
            queues = self._collector.buffer().queues
        except BufferError:
            yield _gauge("bluelake_buffer_up", 0)
            return
        yield _gauge("bluelake_buffer_up", 1)
        yield _labelled("bluelake_buffer_events", {name: queue.events for name, queue in queues.items()})
        yield _labelled("bluelake_buffer_bytes", {name: queue.size_bytes for name, queue in queues.items()})

    def _lake(self) -> dict[str, Callable[[], Iterator[GaugeMetricFamily]]]:
        """The function that reads each of LAKE_PARTS."""
        return {
            "views": self._views,
            "gaps": self._gaps,
            "hours": self._hours,
            "pending_purge": self._pending_purge,
            "batches": self._batches,
        }

    def _views(self) -> Iterator[GaugeMetricFamily]:
        views = self._collector.views()
        if views.published is not None:
            yield _gauge("bluelake_views_published_seconds", views.published.published_at.timestamp())
        yield _gauge("bluelake_views_held_back", len(views.held_back))
        yield _gauge("bluelake_views_warning", int(views_part(views, clock.now()).state == WARNING))

    def _gaps(self) -> Iterator[GaugeMetricFamily]:
        gaps = self._collector.gaps()
        yield _gauge("bluelake_lake_open_gaps", len(gaps.open))
        yield _gauge("bluelake_lake_gap_seconds", gaps.missing_seconds)

    def _hours(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge("bluelake_lake_unsealed_hours", self._collector.waiting_hours(clock.now()).count)

    def _pending_purge(self) -> Iterator[GaugeMetricFamily]:
        pending = self._collector.pending_purge()
        yield _gauge("bluelake_lake_pending_purge_rows", pending.rows)
        if pending.oldest_us is not None:
            yield _gauge("bluelake_lake_oldest_pending_purge_seconds", pending.oldest_us / 1e6)

    def _batches(self) -> Iterator[GaugeMetricFamily]:
        for batch in self._collector.batches(1):
            yield _gauge("bluelake_lake_last_batch_seconds", batch.event_at.timestamp())
            yield _gauge("bluelake_lake_last_batch_events", batch.events_in)
            yield _gauge("bluelake_lake_last_batch_duration_seconds", batch.duration_ms / 1000)
            yield _gauge("bluelake_lake_last_batch_rejects", batch.rejects)
            yield _gauge("bluelake_lake_last_batch_duplicates", batch.duplicates)
            age = batch.age_seconds(clock.now())
            if age is not None:
                yield _gauge("bluelake_lake_data_age_seconds", age)
        rejects = self._collector.rejects(clock.now())
        yield _gauge("bluelake_lake_worst_reject_ratio", rejects.worst_ratio)
        yield _gauge("bluelake_lake_reject_alert", int(rejects.alert))
        name = "bluelake_lake_recent_rejects"
        # A newer version may write reasons that are unknown here. They show once there are any.
        yield _labelled(name, {**dict.fromkeys(METRICS[name].label_values, 0), **rejects.by_reason})


def _family(name: str) -> GaugeMetricFamily:
    definition = METRICS[name]
    return GaugeMetricFamily(name, definition.meaning, labels=definition.labels)


def _gauge(name: str, value: float) -> GaugeMetricFamily:
    family = _family(name)
    family.add_metric([], value)
    return family


def _labelled(name: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """The gauge `name`, with one value for each value of its only label."""
    family = _family(name)
    for label, value in values.items():
        family.add_metric([label], value)
    return family
