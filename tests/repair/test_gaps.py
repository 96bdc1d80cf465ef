"""Closing of gaps: only what was really had, wholly or in part."""

import json
from datetime import UTC, datetime

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.drain import drain
from bluelake.lake.status import Gap
from repair.gaps import close_gaps
from tests.support.frames import NOON_US
from tests.support.gaps import found, notice
from tests.support.lakes import values

SECOND = 1_000_000
NOW = datetime(2026, 7, 5, tzinfo=UTC)


def had(settings: Settings, *spans: tuple[int, int], margin: int = 10) -> list[Gap]:
    """Close what lies in `spans`, seconds after noon, where gaps are wider by `margin` seconds than what was missed."""
    shifted = [(NOON_US + start * SECOND, NOON_US + end * SECOND) for start, end in spans]
    widened = settings.model_copy(update={"rewind_seconds": margin})
    return close_gaps(widened, Store(settings.lake_dir), shifted, NOW)


def test_a_frame_that_was_too_large_is_not_had_because_what_surrounds_it_was(
    buffer: Buffer, settings: Settings
) -> None:
    notice(buffer, 0, 30, cause="frame_too_large")
    drain(settings)
    assert had(settings, (-100, 100)) == []
    span = (NOON_US - SECOND, NOON_US + 40 * SECOND)
    (closed,) = close_gaps(settings, Store(settings.lake_dir), [span], NOW, vouched=True)
    assert closed.cause == "frame_too_large"
    assert found(settings) == [(0, 30, False)]


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
        # What was missed lies between 10 s and 590 s.
        ([(10, 590)], []),
        ([(11, 590)], [(0, 21, True)]),
        ([(10, 589)], [(579, 600, True)]),
        ([(30, 570)], [(0, 40, True), (560, 600, True)]),
        ([(0, 300)], [(290, 600, True)]),
        ([(300, 700)], [(0, 310, True)]),
        ([(200, 400)], [(0, 210, True), (390, 600, True)]),
        ([(0, 300), (280, 600)], []),
        # They meet in one event; or nobody knows what came between them.
        ([(0, 300), (300, 600)], []),
        ([(0, 300), (301, 600)], [(290, 311, True)]),
        ([(301, 600), (0, 300)], [(290, 311, True)]),
        ([(0, 200), (400, 600)], [(190, 410, True)]),
        ([(-500, 10)], [(0, 600, True)]),
        ([(290, 310)], [(0, 600, True)]),
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
    # The same again changes nothing.
    assert had(settings, *spans) == []
    assert [gap for gap in found(settings) if gap[2]] == left


@pytest.mark.parametrize(
    ("spans", "left"),
    [
        ([(-300, 21)], [(11, 80, True)]),
        ([(59, 400)], [(0, 69, True)]),
        ([(-300, 21), (59, 400)], [(11, 69, True)]),
        ([(-300, 70)], []),
        ([(-300, -1)], [(0, 80, True)]),
        ([(81, 400)], [(0, 80, True)]),
    ],
)
def test_a_gap_little_longer_than_a_quiet_network_is_closed_no_sooner_than_any_other(
    spans: list[tuple[int, int]], left: list[tuple[int, int, bool]], buffer: Buffer, settings: Settings
) -> None:
    notice(buffer, 0, 80)
    drain(settings)
    had(settings, *spans)
    assert [gap for gap in found(settings) if gap[2]] == left


@pytest.mark.parametrize("margin", [0, 30], ids=["none", "wider than half the gap"])
def test_what_does_not_touch_a_gap_closes_none_of_it(margin: int, buffer: Buffer, settings: Settings) -> None:
    notice(buffer, 0, 40)
    drain(settings)
    assert had(settings, (-300, -5), (45, 300), margin=margin) == []
    assert found(settings) == [(0, 40, True)]


def test_without_a_margin_a_gap_is_closed_to_the_second(buffer: Buffer, settings: Settings) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    had(settings, (0, 300), (301, 599), margin=0)
    assert [gap for gap in found(settings) if gap[2]] == [(300, 301, True), (599, 600, True)]


def test_a_repair_is_no_flush(buffer: Buffer, settings: Settings) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    had(settings, (0, 600))
    assert Store(settings.lake_dir).committed_flush("gaps") == 1
    notice(buffer, 1000, 2000)
    (batch,) = drain(settings)
    assert batch.rows_by_table == {"gaps": 1}
    assert json.loads(values(settings, "SELECT rows_by_table FROM batches ORDER BY last_flush")[-1])["gaps"] == 1
