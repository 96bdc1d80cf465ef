"""Every metric of Bluelake: its name, type, labels and one line of meaning.

Dashboards and alerts may use only names from here. A label with a closed set of values is registered with all of them,
so that a count of zero shows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bluelake.core.reasons import INGEST_REJECT_REASONS, GapCause, HostFault, RejectReason

MetricType = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True)
class MetricDefinition:
    """One metric. `label_values`: for one label with a closed set of values, all of them."""

    name: str
    type: MetricType
    meaning: str
    labels: tuple[str, ...] = ()
    label_values: tuple[str, ...] = ()


QUEUE_NAMES = (
    "posts",
    "likes",
    "reposts",
    "follows",
    "blocks",
    "profiles",
    "accounts",
    "deletes",
    "gaps",
    "rejects",
)

LAKE_TASKS = ("seal", "maintain", "refresh")
LAKE_PARTS = ("views", "gaps", "hours", "pending_purge", "batches")

INGEST_METRICS = (
    MetricDefinition("bluelake_ingest_events_total", "counter", "Events put into a queue.", ("queue",), QUEUE_NAMES),
    MetricDefinition(
        "bluelake_ingest_rejects_total",
        "counter",
        "Frames that cannot be an event, by reason. The table rejects keeps all of them.",
        ("reason",),
        INGEST_REJECT_REASONS,
    ),
    MetricDefinition("bluelake_ingest_bytes_total", "counter", "Bytes of the frames received."),
    MetricDefinition("bluelake_ingest_flushes_total", "counter", "Flushes that Redis accepted."),
    MetricDefinition("bluelake_ingest_flush_number", "gauge", "Number of the last flush that Redis accepted."),
    MetricDefinition("bluelake_ingest_flush_seconds", "histogram", "Time that one flush took."),
    MetricDefinition(
        "bluelake_ingest_connections_total", "counter", "Connections opened to a Jetstream host.", ("host",)
    ),
    MetricDefinition("bluelake_ingest_connection_failures_total", "counter", "Connections refused or lost.", ("host",)),
    MetricDefinition(
        "bluelake_ingest_host_faults_total",
        "counter",
        "Faults of hosts, by reason. Some made the ingester leave the host.",
        ("reason",),
        tuple(HostFault),
    ),
    MetricDefinition(
        "bluelake_ingest_gaps_total",
        "counter",
        "Spans that no host served, by cause. The table gaps keeps all of them.",
        ("cause",),
        tuple(GapCause),
    ),
    MetricDefinition(
        "bluelake_ingest_resumes_total",
        "counter",
        "Times that the ingester had to continue from state other than its own.",
        ("source",),
        ("redis", "lake", "start"),
    ),
    MetricDefinition(
        "bluelake_ingest_newest_event_seconds", "gauge", "When the newest event was made, seconds since 1970."
    ),
    MetricDefinition("bluelake_ingest_connected", "gauge", "Hosts that are connected now."),
    MetricDefinition("bluelake_ingest_paused", "gauge", "1 while the buffer has no room and reading has stopped."),
)
BUFFER_METRICS = (
    MetricDefinition("bluelake_buffer_events", "gauge", "Events in the buffer.", ("queue",), QUEUE_NAMES),
    MetricDefinition("bluelake_buffer_bytes", "gauge", "Compressed bytes in the buffer.", ("queue",), QUEUE_NAMES),
    MetricDefinition("bluelake_buffer_up", "gauge", "1 while Redis answers."),
)
LAKE_METRICS = (
    MetricDefinition("bluelake_lake_last_batch_seconds", "gauge", "When the last batch began, seconds since 1970."),
    MetricDefinition("bluelake_lake_data_age_seconds", "gauge", "Age of the newest event in the lake."),
    MetricDefinition("bluelake_lake_last_batch_events", "gauge", "Events that the last batch took."),
    MetricDefinition("bluelake_lake_last_batch_duration_seconds", "gauge", "Time that the last batch took."),
    MetricDefinition("bluelake_lake_last_batch_rejects", "gauge", "Events that the last batch rejected."),
    MetricDefinition(
        "bluelake_lake_worst_reject_ratio",
        "gauge",
        "Greatest share of a batch's events that were rejected, 0 to 1, of the batches of the last 15 minutes. "
        "Where drains are rarer: of the newest batch. 0 if a day had none.",
    ),
    MetricDefinition(
        "bluelake_lake_reject_alert", "gauge", "1 while that share is above REJECT_ALERT_RATIO. The drain goes on."
    ),
    MetricDefinition(
        "bluelake_lake_recent_rejects",
        "gauge",
        "Events that the batches of the last 24 hours rejected, by reason. The ingester's rejects are among them. "
        "One that came twice counts twice.",
        ("reason",),
        tuple(RejectReason),
    ),
    MetricDefinition(
        "bluelake_lake_last_batch_duplicates", "gauge", "Re-delivered events that the last batch dropped."
    ),
    MetricDefinition("bluelake_lake_open_gaps", "gauge", "Gaps that no replay or backfill has closed yet."),
    MetricDefinition(
        "bluelake_lake_gap_seconds", "gauge", "Seconds that lie in an open gap. Where gaps overlap, they count once."
    ),
    MetricDefinition("bluelake_lake_unsealed_hours", "gauge", "Hours that have passed and wait to be sealed."),
    MetricDefinition(
        "bluelake_lake_pending_purge_rows",
        "gauge",
        "Deleted rows that no maintenance has taken out of the files yet.",
    ),
    MetricDefinition(
        "bluelake_lake_oldest_pending_purge_seconds",
        "gauge",
        "Time of the oldest deletion that no maintenance has looked at or carried out yet, seconds since 1970.",
    ),
    MetricDefinition(
        "bluelake_lake_last_well_seconds",
        "gauge",
        "When the task last ended well, seconds since 1970. 0 where it never has.",
        ("task",),
        LAKE_TASKS,
    ),
    MetricDefinition(
        "bluelake_lake_readable",
        "gauge",
        "1 where the part could be read, else 0. Then its metrics are missing.",
        ("part",),
        LAKE_PARTS,
    ),
    MetricDefinition("bluelake_views_published_seconds", "gauge", "When the views were published, seconds since 1970."),
    MetricDefinition("bluelake_views_held_back", "gauge", "Views that the last refresh could not compute."),
    MetricDefinition(
        "bluelake_views_warning", "gauge", "1 while the last refresh of the views has failed or the next is overdue."
    ),
)
WEB_METRICS = (
    MetricDefinition("bluelake_web_requests_total", "counter", "Requests answered.", ("route", "method", "status")),
    MetricDefinition("bluelake_web_request_seconds", "histogram", "Time to answer a request.", ("route",)),
)
METRICS: dict[str, MetricDefinition] = {
    definition.name: definition for definition in (*INGEST_METRICS, *BUFFER_METRICS, *LAKE_METRICS, *WEB_METRICS)
}


class Metrics:
    """The metrics of one process, made from their definitions."""

    def __init__(self, definitions: Iterable[MetricDefinition], registry: CollectorRegistry) -> None:
        self.registry = registry
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for definition in definitions:
            self._register(definition)

    def _register(self, definition: MetricDefinition) -> None:
        arguments = (definition.name, definition.meaning, definition.labels)
        metric: Counter | Gauge | Histogram
        if definition.type == "counter":
            metric = self._counters[definition.name] = Counter(*arguments, registry=self.registry)
        elif definition.type == "gauge":
            metric = self._gauges[definition.name] = Gauge(*arguments, registry=self.registry)
        else:
            metric = self._histograms[definition.name] = Histogram(*arguments, registry=self.registry)
        for value in definition.label_values:
            metric.labels(value)

    def counter(self, name: str) -> Counter:
        """The counter `name`. Raises KeyError if this process has none."""
        return self._counters[name]

    def gauge(self, name: str) -> Gauge:
        """The gauge `name`. Raises KeyError if this process has none."""
        return self._gauges[name]

    def histogram(self, name: str) -> Histogram:
        """The histogram `name`. Raises KeyError if this process has none."""
        return self._histograms[name]
