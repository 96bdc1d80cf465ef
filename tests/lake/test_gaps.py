"""Gaps: shown until they are repaired, wholly or in part, and never silently."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from buffer.chunks import ChunkEncoder
from buffer.client import Buffer
from core.settings import Settings
from core.watermark import Cursor
from ingest.pending import Pending
from lake.drain import drain
from lake.gaps import Gap, close_gaps, missing_seconds, read_gaps
from lake.status import status
from lake.store import Store
from tests.conftest import NOON_US
from tests.lake.feed import values

SECOND = 1_000_000
NOW = datetime(2026, 7, 5, tzinfo=UTC)


def notice(buffer: Buffer, start: int, end: int, *, host: str = "ws://one", cause: str = "host_skipped") -> None:
    """What the ingester writes of a gap; seconds after noon."""
    pending, state = Pending(), buffer.state()
    bounds = {"from_us": NOON_US + start * SECOND, "to_us": NOON_US + end * SECOND}
    pending.add_notice("gaps", {**bounds, "host": host, "cause": cause}, bounds["from_us"])
    cursors = {"host": Cursor(NOON_US)}
    buffer.append(state.flush, state.flush + 1, host, pending.chunks(ChunkEncoder(), 10), cursors, 1, "test")


def found(settings: Settings) -> list[tuple[float, float, bool]]:
    """From, to, and whether it is open, of each gap, in seconds after noon."""
    noon = datetime(2026, 7, 4, 12, tzinfo=UTC)
    gaps = read_gaps(settings, Store(settings.lake_dir))
    return sorted(
        ((g.from_at - noon).total_seconds(), (g.to_at - noon).total_seconds(), g.repaired_at is None) for g in gaps
    )


def had(settings: Settings, *spans: tuple[int, int], tolerance: int = 60) -> list[Gap]:
    """Close what lies in `spans`, seconds after noon."""
    shifted = [(NOON_US + start * SECOND, NOON_US + end * SECOND) for start, end in spans]
    return close_gaps(settings, Store(settings.lake_dir), shifted, tolerance * SECOND, NOW)


def test_a_gap_is_open_until_its_span_was_had(buffer: Buffer, settings: Settings) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    assert found(settings) == [(0, 600, True)]
    assert had(settings, (1000, 2000), (-500, -10)) == []
    (closed,) = had(settings, (-10, 700))
    assert (closed.host, closed.cause, closed.seconds) == ("ws://one", "host_skipped", 600)
    assert found(settings) == [(0, 600, False)]
    assert values(settings, "SELECT count(*) FROM gaps_all") == [2]
    assert values(settings, "SELECT repaired_at FROM gaps") == [NOW]
    assert had(settings, (-10, 700)) == []
    # The notice, delivered again, opens nothing.
    notice(buffer, 0, 600)
    drain(settings)
    assert found(settings) == [(0, 600, False)]


@pytest.mark.parametrize(
    ("spans", "left"),
    [
        ([(30, 570)], []),
        ([(0, 300)], [(300, 600, True)]),
        ([(300, 700)], [(0, 300, True)]),
        ([(200, 400)], [(0, 200, True), (400, 600, True)]),
        ([(0, 300), (280, 600)], []),
        ([(0, 200), (400, 600)], [(200, 400, True)]),
        ([(-500, 50)], [(0, 600, True)]),
        ([(-500, 0), (600, 900)], [(0, 600, True)]),
    ],
)
def test_what_is_left_of_a_gap_stays_open(
    spans: list[tuple[int, int]], left: list[tuple[int, int, bool]], buffer: Buffer, settings: Settings
) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    had(settings, *spans)
    assert [gap for gap in found(settings) if gap[2]] == left


def test_the_same_span_at_two_hosts_is_two_gaps_that_are_missing_once(buffer: Buffer, settings: Settings) -> None:
    notice(buffer, 0, 600)
    notice(buffer, 0, 600, host="ws://two")
    notice(buffer, 500, 700, cause="cursor_too_old")
    drain(settings)
    gaps = read_gaps(settings, Store(settings.lake_dir))
    assert len(gaps) == 3
    assert missing_seconds(gaps) == 700
    assert gaps[0].from_at == datetime(2026, 7, 4, 12, tzinfo=UTC) + timedelta(seconds=500)


def test_status_tells_of_open_gaps(buffer: Buffer, settings: Settings) -> None:
    assert next(part for part in status(settings) if part.name == "gaps").state == "ok"
    notice(buffer, 0, 600)
    drain(settings)
    (part,) = (part for part in status(settings) if part.name == "gaps")
    assert (part.ok, part.state) == (True, "warning")
    assert "1 open, 600 s in all" in part.detail
    assert "2026-07-04T12:00:00Z to 2026-07-04T12:10:00Z, host_skipped at ws://one" in part.detail
    had(settings, (0, 600))
    (part,) = (part for part in status(settings) if part.name == "gaps")
    assert (part.state, part.detail) == ("ok", "none open, 1 repaired")


def test_a_repair_is_no_flush(buffer: Buffer, settings: Settings) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    had(settings, (0, 600))
    assert Store(settings.lake_dir).committed_flush("gaps") == 1
    notice(buffer, 1000, 2000)
    (batch,) = drain(settings)
    assert batch.rows_by_table == {"gaps": 1}
    assert json.loads(values(settings, "SELECT rows_by_table FROM batches ORDER BY last_flush")[-1])["gaps"] == 1
