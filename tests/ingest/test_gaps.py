"""What to do at a hole, from values alone: another host fills it, is asked for it, or nobody has it."""

from dataclasses import replace

import pytest

from bluelake.core.reasons import GapCause
from ingest.continuity import Hole
from ingest.gaps import SAME_US, TRIAL_FAILURES, AskHost, Filled, Gap, Gaps, OpenHole, Verdict, Wait

SECOND_US = 1_000_000
MARGIN_US = 2 * SECOND_US
CLOCKS_MARGIN_US = 9 * SECOND_US


def hole(url: str = "ws://a", start: int = 100, end: int = 200, cause: GapCause = GapCause.HOST_SKIPPED) -> OpenHole:
    """A hole between two seconds, of a host whose clock is right."""
    found = Hole(start * SECOND_US, end * SECOND_US, cause, SECOND_US)
    return OpenHole(url, found, horizon_us=start * SECOND_US, lag_us=0, asked_us=0)


def gaps() -> Gaps:
    return Gaps(3, MARGIN_US, CLOCKS_MARGIN_US)


def judged(judge: Gaps, mine: OpenHole, *others: str) -> Verdict:
    """The verdict on a hole of the only connection that is read."""
    return judge.judge(mine, [], 1, others, is_due=False)


def gap(start: int, end: int) -> Gap:
    """The gap between two seconds, margins included."""
    return Gap(start * SECOND_US - MARGIN_US, end * SECOND_US + MARGIN_US, GapCause.HOST_SKIPPED)


def test_a_hole_that_another_host_has_served_is_filled() -> None:
    assert judged(gaps(), replace(hole(), horizon_us=199 * SECOND_US), "ws://b") == Filled()


@pytest.mark.parametrize(
    ("beside", "is_due", "waits"),
    [
        pytest.param([], False, True, id="the other is not connected"),
        pytest.param([None], False, True, id="the other is at no hole"),
        pytest.param([hole("ws://b")], False, False, id="the other is at a hole too"),
        pytest.param(
            [replace(hole("ws://b"), horizon_us=200 * SECOND_US)], False, True, id="the other's hole is filled"
        ),
        pytest.param([None], True, False, id="it has waited for long enough"),
    ],
)
def test_a_hole_waits_for_the_connection_beside(beside: list[OpenHole | None], is_due: bool, waits: bool) -> None:
    verdict = gaps().judge(hole(), beside, 2, ["ws://c"], is_due=is_due)
    assert verdict == (Wait() if waits else AskHost("ws://c"))


def test_all_other_hosts_are_asked_and_the_smallest_hole_is_the_gap() -> None:
    judge = gaps()
    assert judged(judge, hole("ws://a", end=200), "ws://b", "ws://c") == AskHost("ws://b")
    assert judged(judge, hole("ws://b", end=150), "ws://c", "ws://a") == AskHost("ws://c")
    # The second one had the smallest hole.
    assert judged(judge, hole("ws://c", end=180), "ws://a", "ws://b") == AskHost("ws://b")
    assert judged(judge, hole("ws://b", end=150), "ws://c", "ws://a") == gap(100, 150)


def test_a_lone_host_is_asked_once_more_for_what_it_skipped() -> None:
    judge = gaps()
    assert judged(judge, hole()) == AskHost("ws://a")
    assert judged(judge, hole()) == gap(100, 200)


def test_a_lone_host_whose_replay_begins_late_is_not_asked_again() -> None:
    late = hole(cause=GapCause.REPLAY_STARTS_LATE)
    assert judged(gaps(), late) == replace(gap(100, 200), cause=GapCause.REPLAY_STARTS_LATE)


def test_a_host_that_was_asked_for_too_late_a_time_is_asked_again() -> None:
    late = replace(hole(cause=GapCause.REPLAY_STARTS_LATE), asked_us=101 * SECOND_US)
    assert judged(gaps(), late, "ws://b") == AskHost("ws://a")


def test_a_host_to_ask_is_told_once() -> None:
    judge = gaps()
    judged(judge, hole(), "ws://b")
    assert [judge.take_wanted(), judge.take_wanted()] == ["ws://b", None]


def test_a_host_that_fails_each_time_does_not_have_it() -> None:
    judge = gaps()
    for _ in range(TRIAL_FAILURES):
        assert judged(judge, hole(), "ws://b") == AskHost("ws://b")
        judge.failed("ws://b")
    assert judged(judge, hole(), "ws://b") == gap(100, 200)


def test_a_gap_is_noted_once_until_nothing_of_it_is_flushed() -> None:
    judge = gaps()
    late = hole("ws://a", cause=GapCause.REPLAY_STARTS_LATE)
    other = replace(late, url="ws://b", hole=replace(late.hole, to_us=late.hole.to_us + SAME_US))
    assert isinstance(judged(judge, late), Gap)
    assert judged(judge, other) == Filled()
    judge.reset()
    assert isinstance(judged(judge, other), Gap)


def test_a_gap_is_wider_where_clocks_cannot_be_compared() -> None:
    late = replace(hole(cause=GapCause.REPLAY_STARTS_LATE), can_compare=False)
    verdict = judged(gaps(), late)
    assert verdict == Gap(91 * SECOND_US, 202 * SECOND_US, GapCause.REPLAY_STARTS_LATE)


def test_holes_are_compared_without_the_hosts_clocks() -> None:
    judge = gaps()
    fast = replace(hole("ws://b", 105, 205), lag_us=5 * SECOND_US)
    assert judged(judge, hole("ws://a"), "ws://b") == AskHost("ws://b")
    assert judged(judge, fast, "ws://a") == gap(105, 205)
