"""When a recording ends, and where it began and ended, from the times of its events alone."""

import pytest

from repair.span_progress import STUCK_FRAMES, STUCK_SECONDS, UNREADABLE_FRAMES, SpanProgress

ODD = 10**9


@pytest.mark.parametrize(
    ("times", "ends_with", "first_us", "last_us"),
    [
        # The span goes up to 10; the fifth event in a row past it is the last.
        (range(30), 15, 2, 13),
        ([*range(10), ODD, *range(10, 30)], 15, 2, 13),
        ([ODD, *range(30)], 15, 2, 13),
        ([11, 12, 13, 14, 9, 15, 16, 17, 18, 19], 19, 12, 17),
        (range(5), None, 2, 2),
        ([7], None, 7, 7),
        ([], None, None, None),
    ],
    ids=["steady", "one odd time", "odd from the start", "one within the span", "too short", "one", "none"],
)
def test_several_events_past_the_span_complete_it(
    times: list[int], ends_with: int | None, first_us: int | None, last_us: int | None
) -> None:
    progress = SpanProgress(10, lambda: 0.0)
    assert next((at for at in times if progress.add_event(at)), None) == ends_with
    assert (progress.first_us, progress.last_us) == (first_us, last_us)
    assert progress.reason == ""


def test_frames_that_tell_no_time_end_it() -> None:
    progress = SpanProgress(10, lambda: 0.0)
    assert not any(progress.add_unreadable() for _ in range(UNREADABLE_FRAMES - 1))
    # An event between them is a new begin.
    assert not progress.add_event(1)
    assert not any(progress.add_unreadable() for _ in range(UNREADABLE_FRAMES - 1))
    assert progress.add_unreadable()
    assert progress.reason == "tells no time in 1000 frames in a row"


def test_times_that_do_not_go_on_end_it() -> None:
    progress = SpanProgress(10, lambda: 0.0)
    # The fifth event shows that time 3 is reached.
    assert not any(progress.add_event(3) for _ in range(5 + STUCK_FRAMES - 2))
    assert progress.add_event(3)
    assert progress.reason == "tells no later time in 100000 frames in a row"


def test_slow_times_that_do_not_go_on_end_it() -> None:
    now = 0.0
    progress = SpanProgress(10, lambda: now)
    now = 100.0
    assert not any(progress.add_event(3) for _ in range(5))
    now = 100.0 + STUCK_SECONDS
    assert not progress.add_event(3)
    now += 0.5
    assert progress.add_event(3)
    assert progress.reason == "tells no later time for 300 s"
