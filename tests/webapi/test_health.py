"""`/healthz` and `/metrics`."""

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from bluelake.buffer.chunks import Chunk
from bluelake.buffer.client import Buffer
from bluelake.core.metrics import LAKE_PARTS, METRICS
from bluelake.core.reasons import RejectReason
from bluelake.core.settings import Settings
from bluelake.core.status import report
from bluelake.core.watermark import Cursor
from bluelake.lake.drain import drain
from bluelake.lake.status import status
from bluelake.lake.views.published import Published
from tests.support.buffers import feed
from tests.support.frames import commit_frame
from tests.support.lakes import Lake
from tests.support.published import publish_view
from tests.support.redis import RedisServer
from tests.support.rows import NOON, SECOND, batch, delete, post

FLUSHED_US = 1_783_166_400_000_000


def fill(buffer: Buffer) -> None:
    chunk = Chunk("posts", 7, FLUSHED_US, FLUSHED_US, b"z" * 100)
    buffer.append(0, 1, "host", [chunk], {"host": Cursor(FLUSHED_US)}, FLUSHED_US, "writer")


def gauges(client: Client) -> dict[tuple[str, ...], float]:
    """The values of /metrics, by name and values of the labels."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").content.decode())
        for sample in family.samples
    }


def test_everything_is_well(
    redis_server: RedisServer,
    buffer: Buffer,
    web_settings: Callable[..., Settings],
    client: Client,
) -> None:
    settings = web_settings(redis_url=redis_server.url)
    fill(buffer)
    newest = datetime.now(UTC) - timedelta(seconds=90)
    publish_view(settings, now=newest)
    Lake(settings).write([post("x")], batches=[batch(newest, events_in=1234)])
    report(settings, "ingest", ok=True, state="connected", message="reads host")
    report(settings, "drain", ok=True, state="done", message="7 events")
    response = client.get("/healthz")
    answer = response.json()
    assert (response.status_code, answer["status"]) == (200, "ok")
    parts = answer["parts"]
    assert set(parts) == {"web", "lake", "buffer", "ingest", "drain", "views", "rejects", "gaps", "seal", "maintain"}
    assert answer["warnings"] == []
    assert parts["gaps"] == {"ok": True, "state": "ok", "detail": "none", "open": 0, "seconds": 0}
    assert 90 <= parts["lake"]["age_seconds"] < 120
    assert parts["lake"]["last_batch_at"] == "2026-07-04T12:00:00.000000Z"
    assert (parts["buffer"]["events"], parts["buffer"]["bytes"]) == (7, 100)
    assert parts["ingest"]["last_flush_at"] == "2026-07-04T12:00:00.000000Z"
    assert parts["views"]["published_at"] == f"{newest:%Y-%m-%dT%H:%M:%S.%fZ}"
    assert parts["views"]["held_back"] == []


def test_open_gaps_are_a_warning(lake: Lake, client: Client) -> None:
    host_skipped = {"host": "ws://one", "cause": "host_skipped"}
    first = {"event_at": NOON, "from_at": NOON, "to_at": NOON + timedelta(seconds=90), **host_skipped}
    second = {**first, "event_at": NOON + timedelta(seconds=60), "from_at": NOON + timedelta(seconds=60)}
    repaired = {**first, "to_at": NOON + timedelta(seconds=10), "repaired_at": NOON + timedelta(hours=1)}
    lake.write(gaps=[first, second, {**repaired, "repaired_at": None}, repaired])
    answer = client.get("/healthz").json()
    assert answer["warnings"] == ["gaps"]
    gaps = answer["parts"]["gaps"]
    assert (gaps["ok"], gaps["state"], gaps["open"], gaps["seconds"]) == (True, "warning", 2, 90)
    assert "2026-07-04T12:01:00Z to 2026-07-04T12:01:30Z, host_skipped at ws://one" in gaps["detail"]
    values = gauges(client)
    assert values["bluelake_lake_open_gaps",] == 2
    assert values["bluelake_lake_gap_seconds",] == 90


def test_the_worst_batch_of_a_catch_up_raises_the_alert(
    redis_server: RedisServer, buffer: Buffer, web_settings: Callable[..., Settings], client: Client
) -> None:
    settings = web_settings(redis_url=redis_server.url, drain_max_events=100)
    good = [commit_frame(rkey=f"3k{number}") for number in range(197)]
    # The same garbage three times is three rejects.
    for frames in (good[:98] + [b"junk"] * 2, good[98:195] + [b"junk"] * 3, good[195:]):
        feed(buffer, frames)
    assert [(batch.events_in, batch.rejects) for batch in drain(settings)] == [(100, 2), (100, 3), (2, 0)]
    rejects = client.get("/healthz").json()["parts"]["rejects"]
    assert (rejects["ok"], rejects["state"]) == (True, "warning")
    assert re.fullmatch(
        r"3 of 100 events of the worst batch of late, \d\d:\d\d:\d\d UTC \(3.0%\) could not be rows: see .*",
        rejects["detail"],
    )
    assert [part.detail for part in status(settings) if part.name == "rejects"] == [rejects["detail"]]
    values = gauges(client)
    assert values["bluelake_lake_reject_alert",] == 1
    assert values["bluelake_lake_worst_reject_ratio",] == 3 / 100
    assert values["bluelake_lake_last_batch_rejects",] == 0


def test_few_rejects_are_no_warning(
    redis_server: RedisServer, buffer: Buffer, web_settings: Callable[..., Settings], client: Client
) -> None:
    settings = web_settings(redis_url=redis_server.url)
    feed(buffer, [*(commit_frame(rkey=f"3k{number}") for number in range(99)), b"junk"])
    drain(settings)
    rejects = client.get("/healthz").json()["parts"]["rejects"]
    assert (rejects["ok"], rejects["state"]) == (True, "ok")
    assert re.fullmatch(r"1 of 100 events of the worst batch of late, \d\d:\d\d:\d\d UTC", rejects["detail"])
    values = gauges(client)
    assert (values["bluelake_lake_reject_alert",], values["bluelake_lake_worst_reject_ratio",]) == (0, 1 / 100)


def test_hostile_names_are_counted_by_reason(
    redis_server: RedisServer, buffer: Buffer, web_settings: Callable[..., Settings], client: Client
) -> None:
    settings = web_settings(redis_url=redis_server.url)
    name = "bluelake_lake_recent_rejects"
    assert {label[1]: count for label, count in gauges(client).items() if label[0] == name} == dict.fromkeys(
        RejectReason, 0
    )
    rkeys = [commit_frame(rkey=rkey) for rkey in ("../../etc/passwd", "..", "a/b")]
    dids = [commit_frame(did=did) for did in ("did:plc:../../etc", "/etc/passwd")]
    feed(buffer, [*rkeys, commit_frame()])
    drain(settings)
    feed(buffer, [*dids, *rkeys[:1]])
    drain(settings)
    values = gauges(client)
    assert values[name, "invalid_rkey"] == 4
    assert values[name, "invalid_did"] == 2
    assert sum(count for label, count in values.items() if label[0] == name) == 6


def test_where_no_batch_was_written_lately_there_is_no_alert(lake: Lake, client: Client) -> None:
    lake.write(batches=[batch(NOON, events_in=2, rejects=2, rejects_by_reason='{"not_json": 2}')])
    detail = "no batch in the last day"
    assert client.get("/healthz").json()["parts"]["rejects"] == {"ok": True, "state": "ok", "detail": detail}
    values = gauges(client)
    assert (values["bluelake_lake_reject_alert",], values["bluelake_lake_worst_reject_ratio",]) == (0, 0)
    assert values["bluelake_lake_recent_rejects", "not_json"] == 0
    assert values["bluelake_lake_last_batch_rejects",] == 2


def test_without_redis_the_api_still_answers(lake: Lake, client: Client) -> None:
    response = client.get("/healthz/")
    answer = response.json()
    assert (response.status_code, answer["status"]) == (200, "degraded")
    assert answer["parts"]["buffer"]["ok"] is False
    assert answer["parts"]["ingest"]["state"] == "unknown"
    assert answer["parts"]["lake"]["state"] == "empty"
    assert client.get("/search").status_code == 200


def test_a_seal_and_a_maintenance_that_never_run_are_warnings(
    lake: Lake, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.write([post("x")], deletes=[delete("1", at=NOON + SECOND)])
    answer = client.get("/healthz").json()
    assert (answer["warnings"], answer["parts"]["seal"]["state"]) == ([], "waiting")
    for name in ("SEAL_LATE_SECONDS", "MAINTAIN_LATE_SECONDS"):
        monkeypatch.setattr(f"bluelake.lake.status.parts.{name}", 0)
    answer = client.get("/healthz").json()
    assert answer["warnings"] == ["seal", "maintain"]
    assert answer["parts"]["maintain"]["ok"] is True
    values = gauges(client)
    assert [values["bluelake_lake_last_well_seconds", task] for task in ("seal", "maintain")] == [0, 0]
    assert values["bluelake_lake_oldest_pending_purge_seconds",] == NOON.timestamp() + 1


def test_metrics_tell_when_seal_and_maintenance_last_went_well(
    lake: Lake, web_settings: Callable[..., Settings], client: Client
) -> None:
    settings = web_settings(bluelake_deletions="keep")
    lake.write(deletes=[delete("1")])
    sealed = report(settings, "seal", ok=True, state="done")
    report(settings, "seal", ok=False, state="failed")
    maintained = report(settings, "maintain", ok=True, state="done")
    values = gauges(client)
    assert values["bluelake_lake_last_well_seconds", "seal"] == sealed.at_us / 1e6
    assert values["bluelake_lake_last_well_seconds", "maintain"] == maintained.at_us / 1e6
    # Who keeps what is deleted waits for nothing.
    assert values["bluelake_lake_pending_purge_rows",] == 0
    assert ("bluelake_lake_oldest_pending_purge_seconds",) not in values


PARTS = {
    "views": "bluelake_views_published_seconds",
    "gaps": "bluelake_lake_open_gaps",
    "hours": "bluelake_lake_unsealed_hours",
    "pending_purge": "bluelake_lake_pending_purge_rows",
    "batches": "bluelake_lake_data_age_seconds",
}


@pytest.mark.parametrize(
    ("place", "broken"),
    [
        ("views/published/current.json", {"views"}),
        ("lake/gaps/year=*/**/*.parquet", {"gaps"}),
        ("lake/likes/_delta_log/*.json", {"hours"}),
        ("maintenance/state.json", {"pending_purge"}),
        ("lake/batches/year=*/**/*.parquet", {"batches"}),
        # Without the log of a table, nobody knows which of its hours are sealed.
        ("lake/gaps/_delta_log/*.json", {"gaps", "hours"}),
        ("lake/deletes/_delta_log/*.json", {"pending_purge", "hours"}),
        ("lake/batches/_delta_log/*.json", {"batches", "hours"}),
    ],
)
def test_a_part_that_cannot_be_read_takes_no_others_metrics_away(
    place: str, broken: set[str], published: Published, lake: Lake, home: Path, client: Client
) -> None:
    gap = {"from_at": NOON, "to_at": NOON + SECOND, "host": "ws://one", "cause": "host_skipped"}
    lake.write(deletes=[delete("1")], batches=[batch(NOON)], gaps=[{"event_at": NOON, **gap}])
    (home / "maintenance").mkdir()
    if "state.json" in place:
        (home / place).mkdir()
    else:
        for file in list(home.glob(place)):
            file.write_bytes(bytes(file.stat().st_size))
    values = gauges(client)
    assert {part for part in PARTS if values["bluelake_lake_readable", part] == 0} == broken
    assert {part for part, name in PARTS.items() if (name,) not in values} == broken
    assert values["bluelake_buffer_up",] == 0
    assert values["bluelake_lake_last_well_seconds", "seal"] == 0


def test_parts_that_can_all_be_read_say_so(lake: Lake, client: Client) -> None:
    lake.write(batches=[batch(NOON)])
    values = gauges(client)
    assert {part: values["bluelake_lake_readable", part] for part in LAKE_PARTS} == dict.fromkeys(PARTS, 1)


def test_an_unreadable_lake_is_a_503(lake: Lake, client: Client) -> None:
    lake.write(batches=[batch(NOON)])
    for file in lake.store.root.glob("batches/year=*/**/*.parquet"):
        file.write_bytes(b"not parquet at all, though long enough")
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["parts"]["lake"]["ok"] is False


def test_a_log_that_was_cut_off_is_a_503(lake: Lake, client: Client) -> None:
    (lake.store.root / "batches" / "_delta_log" / f"{0:020d}.json").write_bytes(b"")
    assert client.get("/healthz").status_code == 503


@pytest.mark.parametrize(
    "left", [None, "00000000000000000000.checkpoint.parquet"], ids=["nothing", "broken checkpoint"]
)
def test_a_log_without_an_entry_fails_no_page(
    left: str | None, lake: Lake, web_settings: Callable[..., Settings], client: Client
) -> None:
    """As while the tables are being created, or after a power loss."""
    log = lake.store.root / "likes" / "_delta_log"
    shutil.rmtree(log)
    log.mkdir()
    if left is not None:
        (log / left).write_bytes(b"not parquet")
    answer = client.get("/healthz").json()
    assert answer["parts"]["lake"]["ok"] is True
    assert answer["parts"]["seal"]["ok"] is (left is None)
    assert [client.get(path).status_code for path in ("/healthz", "/metrics", "/", "/search")] == [200] * 4
    assert [part.ok for part in status(web_settings()) if part.name == "seal"] == [left is None]


def test_metrics_are_those_of_the_registry(
    redis_server: RedisServer,
    buffer: Buffer,
    published: Published,
    web_settings: Callable[..., Settings],
    client: Client,
) -> None:
    settings = web_settings(redis_url=redis_server.url)
    fill(buffer)
    Lake(settings).write(batches=[batch(NOON, events_in=1234, duration_ms=1500)])
    client.get("/search?foo=1")
    values = gauges(client)
    assert values["bluelake_web_requests_total", "GET", "search", "400"] >= 1
    assert values["bluelake_web_request_seconds_count", "search"] >= 1
    assert values["bluelake_buffer_events", "posts"] == 7
    assert values["bluelake_lake_last_batch_events",] == 1234
    assert values["bluelake_lake_last_batch_duration_seconds",] == 1.5
    assert values["bluelake_views_published_seconds",] == NOON.timestamp()
    names = {f.name for f in text_string_to_metric_families(client.get("/metrics").content.decode())}
    known = {name.removesuffix("_total") for name in METRICS}
    assert {name for name in names if not name.endswith("_created")} <= known


def test_metrics_without_redis_say_so(lake: Lake, client: Client) -> None:
    assert "bluelake_buffer_up 0.0" in client.get("/metrics").content.decode()
