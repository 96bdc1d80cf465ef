"""Hosts that are silent, useless or slow, by a clock that the test moves."""

import pytest

from ingest.activity import Activity
from ingest.watchdog import MANY_OTHERS, Watchdog, Window

SECOND_US = 1_000_000


def watchdog() -> Watchdog:
    """One that began at second 100, bears 5 s of silence and has windows of 10 s."""
    return Watchdog(100.0, 5.0, 10.0, first_us=SECOND_US)


@pytest.mark.parametrize(
    ("waiting_since", "now", "expected"),
    [
        pytest.param(101.0, 105.9, None, id="not yet"),
        pytest.param(101.0, 106.0, "has sent nothing for 5 s", id="long enough"),
        pytest.param(None, 500.0, None, id="the reader works"),
    ],
)
def test_a_host_is_silent_once_the_reader_waits_for_long(
    waiting_since: float | None, now: float, expected: str | None
) -> None:
    assert watchdog().silence(now, Activity(waiting_since=waiting_since)) == expected


@pytest.mark.parametrize("kind", ["rejects", "notices"])
def test_a_host_that_sends_many_frames_and_no_event_counts_as_silent(kind: str) -> None:
    many, few = Activity(**{kind: MANY_OTHERS}), Activity(**{kind: MANY_OTHERS - 1})
    assert watchdog().silence(104.9, many) is None
    assert watchdog().silence(105.0, many) == "sends nothing that is an event"
    assert watchdog().silence(105.0, few) is None


def test_an_event_among_other_frames_begins_the_silence_anew() -> None:
    dog = watchdog()
    assert dog.silence(104.0, Activity(events=1, rejects=MANY_OTHERS)) is None
    assert dog.silence(109.0, Activity(events=1, rejects=2 * MANY_OTHERS - 1)) is None
    assert dog.silence(109.0, Activity(events=1, rejects=2 * MANY_OTHERS)) == "sends nothing that is an event"


def test_a_window_has_the_events_since_the_one_before_and_is_suspect_from_two_windows_back() -> None:
    dog = watchdog()
    assert dog.window(109.9, Activity(events=50), 20 * SECOND_US) is None
    assert dog.window(110.0, Activity(events=60), 20 * SECOND_US) == Window(60, 10.0, 0.0, SECOND_US)
    assert dog.window(115.0, Activity(events=70), 25 * SECOND_US) is None
    assert dog.window(120.0, Activity(events=90), 28 * SECOND_US) == Window(30, 10.0, 8.0, SECOND_US)
    assert dog.window(130.0, Activity(events=91), 29 * SECOND_US) == Window(1, 10.0, 1.0, 20 * SECOND_US)
    assert dog.window(140.0, Activity(events=91), 29 * SECOND_US) == Window(0, 10.0, 0.0, 28 * SECOND_US)


def test_a_window_in_which_the_reader_was_held_up_is_not_judged() -> None:
    dog = watchdog()
    assert dog.window(110.0, Activity(events=60, blocked_seconds=1.0), 20 * SECOND_US) is None
    # Only its own blocking counts, and the span that may lack events has not moved on.
    seen = Activity(events=70, blocked_seconds=1.9)
    assert dog.window(120.0, seen, 24 * SECOND_US) == Window(10, 10.0, 4.0, SECOND_US)


def test_a_window_without_any_event_does_not_move_the_suspect_span() -> None:
    dog = watchdog()
    assert dog.window(110.0, Activity(), 0) == Window(0, 10.0, 0.0, SECOND_US)
    assert dog.window(120.0, Activity(), 0) == Window(0, 10.0, 0.0, SECOND_US)
