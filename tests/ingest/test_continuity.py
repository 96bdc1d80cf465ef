"""Holes: what is held back, what confirms one, and what does not."""

import pytest

from bluelake.core.reasons import GapCause
from ingest.continuity import CONFIRMING_EVENTS, SKIPPED_LIMIT_US, Continuity, Hole, Network
from ingest.frames import Routed

SECOND_US = 1_000_000
GAP_SECONDS = 10
GAP_US = int(GAP_SECONDS * 1e6)


def event(seconds: float) -> Routed:
    return "likes", b"x", int(seconds * SECOND_US), None


def steady(horizon_us: int = 0) -> Continuity:
    """A stream of ten events a second up to second 100."""
    continuity = Continuity(GAP_US, lambda: horizon_us)
    assert continuity.admit(event(90))
    continuity.note(1, 90 * SECOND_US)
    for number in range(1, 101):
        continuity.note(1, (900 + number) * SECOND_US // 10)
    return continuity


def admitted(continuity: Continuity, seconds: float) -> bool:
    """Let an event pass as the reader does."""
    if int(seconds * SECOND_US) <= continuity.ahead_us():
        return True
    placed = continuity.admit(event(seconds))
    if placed:
        continuity.release()
    return placed


def test_events_within_the_limit_are_placed() -> None:
    continuity = steady()
    assert continuity.ahead_us() == 110 * SECOND_US
    assert admitted(continuity, 110)
    assert admitted(continuity, 90)
    assert continuity.hole is None


def test_events_in_a_row_behind_a_jump_confirm_a_hole_and_none_of_them_is_placed() -> None:
    continuity = steady()
    for number in range(CONFIRMING_EVENTS):
        assert continuity.hole is None
        assert not admitted(continuity, 111 + number)
    assert continuity.hole == Hole(100 * SECOND_US, 113 * SECOND_US, GapCause.HOST_SKIPPED, SKIPPED_LIMIT_US)
    assert continuity.last_us == 100 * SECOND_US
    continuity.cross()
    assert [held[2] for held in continuity.release()] == [(111 + number) * SECOND_US for number in range(5)]
    assert not continuity.hole
    assert continuity.last_us == 115 * SECOND_US


@pytest.mark.parametrize("odd", [112, 900], ids=["little", "far"])
def test_a_holes_end_is_not_taken_from_an_odd_first_event(odd: float) -> None:
    continuity = steady()
    for seconds in (odd, 130, 130.1, 130.2, 130.3):
        assert not continuity.admit(event(seconds))
    assert continuity.hole is not None
    assert 130 * SECOND_US <= continuity.hole.to_us <= 130.2 * SECOND_US


def test_an_odd_time_among_others_is_released_with_the_next_event() -> None:
    continuity = steady()
    assert not continuity.admit(event(500))
    assert continuity.ahead_us() == -1
    assert continuity.admit(event(100.1))
    assert [held[2] for held in continuity.release()] == [500 * SECOND_US]
    assert continuity.hole is None


def test_a_hole_is_none_once_an_event_comes_that_fits() -> None:
    continuity = steady()
    for number in range(CONFIRMING_EVENTS):
        assert not continuity.admit(event(111 + number))
    assert continuity.hole is not None
    assert admitted(continuity, 100.1)
    assert continuity.hole is None


def test_what_another_host_has_served_is_no_hole() -> None:
    continuity = steady(horizon_us=114 * SECOND_US)
    assert admitted(continuity, 115)
    assert not continuity.admit(event(116))


def test_what_another_host_has_served_is_no_hole_but_the_rest_of_it_is_however_short() -> None:
    """The host has skipped from 100 to 112, and another one served that up to 109: three seconds are nowhere."""
    continuity = steady(horizon_us=109 * SECOND_US)
    for _ in range(CONFIRMING_EVENTS):
        assert not admitted(continuity, 112)
    assert continuity.hole == Hole(109 * SECOND_US, 112 * SECOND_US, GapCause.HOST_SKIPPED, SKIPPED_LIMIT_US)


def test_a_sparse_stream_has_no_holes() -> None:
    continuity = Continuity(GAP_US, lambda: 0)
    for number in range(1, 50):
        assert admitted(continuity, number * 20)
        continuity.note(1, number * 20 * SECOND_US)


def test_a_network_that_has_become_steady_is_known_to_the_next_connection() -> None:
    """A thin history, then the live events, and not one hole on that connection."""
    network = Network(is_steady=False)
    first = Continuity(GAP_US, lambda: 0, network=network)
    for number in range(5):
        assert admitted(first, 100 + 9 * number)
        first.note(1, (100 + 9 * number) * SECOND_US)
    for number in range(1, 61):
        first.note(1, 136 * SECOND_US + number * SECOND_US // 10)
    second = Continuity(GAP_US, lambda: 142 * SECOND_US, network=network)
    assert admitted(second, 142)
    second.note(1, 142 * SECOND_US)
    assert not admitted(second, 153)


@pytest.mark.parametrize(("horizon_seconds", "is_steady"), [(0, False), (2000, True)], ids=["new events", "old events"])
def test_what_is_served_again_of_long_ago_tells_nothing_of_the_network_of_today(
    horizon_seconds: int, is_steady: bool
) -> None:
    network = Network(is_steady=True)
    continuity = Continuity(GAP_US, lambda: horizon_seconds * SECOND_US, network=network)
    assert continuity.admit(event(100))
    for seconds in range(100, 1100, 20):
        continuity.note(1, seconds * SECOND_US)
    assert network.is_steady is is_steady


@pytest.mark.parametrize("is_steady", [True, False], ids=["steady", "sparse"])
def test_a_young_connection_is_judged_by_those_before_it(is_steady: bool) -> None:
    continuity = Continuity(GAP_US, lambda: 100 * SECOND_US, network=Network(is_steady))
    assert admitted(continuity, 100)
    continuity.note(1, 100 * SECOND_US)
    assert admitted(continuity, 111) is not is_steady


def test_a_first_run_has_no_hole_before_it() -> None:
    assert Continuity(GAP_US, lambda: 0).admit(event(1000))


@pytest.mark.parametrize(
    ("outdated", "seconds", "cause"),
    [
        (False, 110, None),
        (False, 110.1, GapCause.REPLAY_STARTS_LATE),
        (True, 100, None),
        (True, 100.1, GapCause.CURSOR_TOO_OLD),
    ],
    ids=["within a gap", "later", "outdated, in time", "outdated, later"],
)
def test_a_replay_that_begins_late(outdated: bool, seconds: float, cause: GapCause | None) -> None:
    continuity = Continuity(GAP_US, lambda: 100 * SECOND_US, is_outdated=outdated)
    for _ in range(CONFIRMING_EVENTS):
        assert continuity.admit(event(seconds)) is (cause is None)
    assert (continuity.hole and continuity.hole.cause) == cause


def test_a_replay_begins_late_though_events_that_are_here_already_come_before_it() -> None:
    continuity = Continuity(GAP_US, lambda: 100 * SECOND_US, network=Network(is_steady=False))
    for seconds in (80, 95):
        assert admitted(continuity, seconds)
        continuity.note(1, seconds * SECOND_US)
    for number in range(CONFIRMING_EVENTS):
        assert not admitted(continuity, 7000 + number)
    assert continuity.hole is not None
    assert continuity.hole.from_us == 100 * SECOND_US


def test_two_events_behind_a_hole_confirm_it_after_a_while_and_a_lone_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    continuity = Continuity(GAP_US, lambda: 100 * SECOND_US, network=Network(is_steady=True))
    now = 1000.0
    monkeypatch.setattr("ingest.continuity.time.monotonic", lambda: now)
    assert not continuity.admit(event(200))
    now += 2.9
    continuity.confirm()
    assert continuity.hole is None
    now += 0.1
    continuity.confirm()
    assert continuity.hole is None
    assert not continuity.admit(event(201))
    continuity.confirm()
    assert continuity.hole is not None
