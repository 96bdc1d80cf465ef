"""Hosts with skewed clocks: their lag, how far they were followed together, and where a connection begins."""

from typing import Any

import pytest

from bluelake.core.watermark import Cursor
from ingest.clocks import (
    Lag,
    are_comparable,
    capped_at,
    furthest_us,
    horizon_us,
    newest_us,
    resume_position,
    rev_us,
    typical_cursor,
)
from ingest.clocks.lag import LARGEST_LAG_US
from tests.support.frames import NOON_US, commit_frame

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US


def frame(made_us: int) -> bytes:
    return commit_frame(rev=made_us << 10 | 5)


def test_a_rev_tells_when_the_commit_was_made() -> None:
    assert rev_us(frame(NOON_US)) == NOON_US
    # One of the network, which a host served at 1783175888085434.
    assert 0 < 1_783_175_888_085_434 - (rev_us(b'{"rev":"3mptbypluud2a"}') or 0) < SECOND_US
    assert rev_us(b'{"rev":"3mptbyp"}') is None
    assert rev_us(b'{"rev":"3mptbyplu!d2a"}') is None
    assert rev_us(b"{}") is None


def test_a_hosts_lag_is_the_median_of_its_times_less_the_revs() -> None:
    assert (Lag().known_us, Lag().us) == (None, 0)
    late = Lag().observed([frame(NOON_US - lag) for lag in (300, 100, 200)], [NOON_US] * 3)
    assert late.us == 200
    assert Lag().observed([frame(NOON_US)], [NOON_US - 5 * SECOND_US]).us == -5 * SECOND_US


def test_frames_without_a_usable_rev_leave_the_lag_unknown() -> None:
    assert Lag().observed([frame(NOON_US - LARGEST_LAG_US - 1), b"{}"], [NOON_US] * 2) == Lag()


def test_a_new_connections_lag_is_learned_from_it_alone() -> None:
    lag = Lag(600 * SECOND_US).observed([frame(NOON_US - 300)] * 60, [NOON_US] * 60)
    assert lag.renewed().us == 300
    assert lag.renewed().observed([frame(NOON_US - 100)], [NOON_US]).us == 100


@pytest.mark.parametrize(
    ("cursors", "expected"),
    [
        pytest.param([], None, id="no host yet"),
        pytest.param([Cursor(NOON_US - 2), Cursor(NOON_US - 1)], NOON_US - 1, id="the furthest"),
        pytest.param([Cursor(NOON_US, lag_us=5), Cursor(NOON_US - 3)], NOON_US - 3, id="less its lag"),
        pytest.param([Cursor(NOON_US + HOUR_US)], NOON_US, id="never beyond now"),
    ],
)
def test_the_newest_cursor_is_by_the_clock_of_the_revs(cursors: list[Cursor], expected: int | None) -> None:
    assert newest_us(cursors, NOON_US) == expected


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        pytest.param([], 77, id="the start, before any host"),
        pytest.param([Cursor(NOON_US)], NOON_US, id="a cursor without a lag counts as it is"),
        pytest.param([Cursor(NOON_US, lag_us=5)], NOON_US - 5 + 2, id="by the clock of the host that asks"),
        pytest.param([Cursor(NOON_US, lag_us=5), Cursor(NOON_US)], NOON_US, id="the furthest"),
    ],
)
def test_a_horizon_is_by_the_clock_of_the_host_that_asks(reached: list[Cursor], expected: int) -> None:
    assert horizon_us(reached, 2, 77) == expected


@pytest.mark.parametrize(
    ("lag_us", "others", "expected"),
    [
        pytest.param(None, [], True, id="no other host"),
        pytest.param(5, [Cursor(1, lag_us=0)], True, id="both lags are known"),
        pytest.param(None, [Cursor(1, lag_us=0)], False, id="its own lag is unknown"),
        pytest.param(5, [Cursor(1, lag_us=0), Cursor(1)], False, id="one other lag is unknown"),
    ],
)
def test_clocks_are_comparable_when_all_lags_are_known(
    lag_us: int | None, others: list[Cursor], expected: bool
) -> None:
    assert are_comparable(lag_us, others) is expected


def test_a_cursor_is_not_beyond_now_and_its_lag_moves_along() -> None:
    capped = capped_at(Cursor(NOON_US + 7, 3, 10), NOON_US)
    assert (capped, capped.lag_us) == (Cursor(NOON_US, 3), 3)
    behind = capped_at(Cursor(NOON_US - 7, 3), NOON_US)
    assert (behind, behind.lag_us) == (Cursor(NOON_US - 7, 3), None)


def test_one_odd_time_moves_neither_the_cursor_nor_the_furthest() -> None:
    times = [100, 101, 102, 103, 104, 105, 106, 107, 50 * SECOND_US]
    assert typical_cursor(times, [1, 2, 3, 4, 5, 6, 7, 8, 900]) == Cursor(104, 5)
    assert typical_cursor(times[1:], []) is None
    assert furthest_us(times) == 107
    assert furthest_us([]) == 0


# One host: followed to noon, asked at noon and an hour. Rewind 2 s, and 10 s for another host.
USUAL: dict[str, Any] = {
    "now_us": NOON_US + HOUR_US,
    "start_us": 77,
    "newest_us": NOON_US,
    "own": Cursor(NOON_US, 900),
    "lag_us": 0,
    "rewind_us": 2 * SECOND_US,
    "failover_rewind_us": 10 * SECOND_US,
    "asks_by_number": True,
}
REWOUND_US = NOON_US - 2 * SECOND_US
FAILOVER_US = NOON_US - 10 * SECOND_US


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, Cursor(REWOUND_US, 900), id="own cursor with its number"),
        pytest.param({"asks_by_number": False}, Cursor(REWOUND_US), id="own cursor by time"),
        pytest.param({"own": Cursor(NOON_US)}, Cursor(REWOUND_US), id="own cursor without a number"),
        pytest.param({"newest_us": None, "own": None}, Cursor(77), id="the very first run"),
        pytest.param({"own": None}, Cursor(FAILOVER_US), id="a host that was never followed"),
        pytest.param({"own": Cursor(FAILOVER_US - 1, 900)}, Cursor(FAILOVER_US), id="own cursor is too old"),
        pytest.param({"own": Cursor(FAILOVER_US, 900)}, Cursor(FAILOVER_US - 2 * SECOND_US, 900), id="just new enough"),
        pytest.param({"own": None, "lag_us": -SECOND_US}, Cursor(FAILOVER_US - SECOND_US), id="a slow clock"),
        pytest.param({"own": None, "lag_us": SECOND_US}, Cursor(FAILOVER_US), id="a lag may be caught up"),
        pytest.param(
            {"own": Cursor(NOON_US, lag_us=5 * SECOND_US), "lag_us": 2 * SECOND_US},
            Cursor(REWOUND_US - 3 * SECOND_US),
            id="a clock that was set back",
        ),
        pytest.param(
            {"own": Cursor(NOON_US, lag_us=2 * SECOND_US), "lag_us": 5 * SECOND_US},
            Cursor(REWOUND_US),
            id="a clock that was set forward",
        ),
        pytest.param({"own": Cursor(NOON_US, 10**15)}, Cursor(REWOUND_US), id="a number that reads as a time"),
        pytest.param({"own": Cursor(NOON_US, 10**15 - 1)}, Cursor(REWOUND_US, 10**15 - 1), id="the last true number"),
        pytest.param({"renumbered_seq": 900}, Cursor(REWOUND_US), id="a number with another meaning"),
        pytest.param({"renumbered_seq": 899}, Cursor(REWOUND_US, 900), id="another number has another meaning"),
        pytest.param(
            {"suspect_from_us": NOON_US - 60 * SECOND_US},
            Cursor(FAILOVER_US - 60 * SECOND_US),
            id="another host's suspect span",
        ),
        pytest.param({"suspect_from_us": NOON_US + 60 * SECOND_US}, Cursor(FAILOVER_US), id="a suspect span ahead"),
        pytest.param({"skip_to_us": NOON_US + 1}, Cursor(NOON_US + 1), id="behind a frame that cannot be received"),
        pytest.param({"skip_to_us": NOON_US + 2 * HOUR_US}, Cursor(NOON_US + HOUR_US), id="a skip is never beyond now"),
        pytest.param({"skip_to_us": 5, "newest_us": None}, Cursor(5), id="a skip in the very first run"),
        pytest.param({"skipped_us": REWOUND_US}, Cursor(REWOUND_US), id="a skipped frame is not asked for again"),
        pytest.param({"skipped_us": REWOUND_US - 1}, Cursor(REWOUND_US, 900), id="a skipped frame is far behind"),
    ],
)
def test_where_a_connection_begins(changed: dict[str, Any], expected: Cursor) -> None:
    assert resume_position(**(USUAL | changed)) == expected
