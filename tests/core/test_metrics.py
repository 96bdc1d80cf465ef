"""The registry of metrics."""

import inspect
import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from bluelake.core.metrics import (
    BUFFER_METRICS,
    INGEST_METRICS,
    LAKE_METRICS,
    METRICS,
    QUEUE_NAMES,
    WEB_METRICS,
    MetricDefinition,
    Metrics,
)
from bluelake.core.reasons import INGEST_REJECT_REASONS, RejectReason, diagnose_syntax
from tests.support.paths import ROOT

GROUPS = (*INGEST_METRICS, *BUFFER_METRICS, *LAKE_METRICS, *WEB_METRICS)
CLOSED = [definition for definition in GROUPS if definition.label_values]


def exposed(*definitions: MetricDefinition) -> str:
    """What a process with `definitions` shows before anything has happened."""
    return generate_latest(Metrics(definitions, CollectorRegistry()).registry).decode()


def test_all_metrics_can_be_registered_together() -> None:
    assert len(METRICS) == len(GROUPS)
    assert all(f"# HELP {name.removesuffix('_total')}" in exposed(*GROUPS) for name in METRICS)


@pytest.mark.parametrize("definition", CLOSED, ids=lambda definition: definition.name)
def test_every_value_of_a_closed_label_shows_zero(definition: MetricDefinition) -> None:
    (label,) = definition.labels
    lines = exposed(definition).splitlines()

    assert [f'{definition.name}{{{label}="{value}"}} 0.0' in lines for value in definition.label_values] == [
        True for _ in definition.label_values
    ]


def test_queues_and_reasons_are_closed() -> None:
    values = {definition.name: definition.label_values for definition in CLOSED}

    assert values["bluelake_lake_recent_rejects"] == tuple(RejectReason)
    assert values["bluelake_ingest_rejects_total"] == INGEST_REJECT_REASONS
    assert [name for name, found in values.items() if found == QUEUE_NAMES] == [
        "bluelake_ingest_events_total",
        "bluelake_buffer_events",
        "bluelake_buffer_bytes",
    ]


def test_the_ingester_counts_the_reasons_that_its_code_names() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "ingest").glob("*.py"))
    # What it calls for the rest.
    code += inspect.getsource(diagnose_syntax)

    assert set(re.findall(r"RejectReason\.([A-Z]\w*)", code)) == {reason.name for reason in INGEST_REJECT_REASONS}


@pytest.mark.parametrize("definition", GROUPS, ids=lambda definition: definition.name)
def test_names_and_meanings_follow_the_rules(definition: MetricDefinition) -> None:
    assert definition.name.startswith("bluelake_")
    assert definition.name.endswith("_total") == (definition.type == "counter")
    assert definition.meaning.endswith(".")


def test_a_process_has_its_own_metrics_only() -> None:
    metrics = Metrics(INGEST_METRICS, CollectorRegistry())
    metrics.counter("bluelake_ingest_events_total").labels("likes").inc(3)
    metrics.gauge("bluelake_ingest_connected").set(1)
    metrics.histogram("bluelake_ingest_flush_seconds").observe(0.2)

    lines = generate_latest(metrics.registry).decode().splitlines()
    assert 'bluelake_ingest_events_total{queue="likes"} 3.0' in lines
    assert "bluelake_ingest_connected 1.0" in lines
    assert "bluelake_ingest_flush_seconds_count 1.0" in lines
    with pytest.raises(KeyError):
        metrics.gauge("bluelake_buffer_up")
    with pytest.raises(KeyError):
        metrics.counter("bluelake_ingest_connected")
