"""Arrivals: as many as the schedule says, when it says."""

import random
from datetime import timedelta

from harness.simulator.activity import HOURLY_SHARES, MICROSECONDS, NEVER_US, Arrivals, Schedule
from tests.support.simulator import START_US

DAY_US = 86_400 * MICROSECONDS
MIDNIGHT_US = START_US // DAY_US * DAY_US


def arrivals(schedule: Schedule, end_us: int) -> list[int]:
    found, source = [], Arrivals(schedule, random.Random(1))
    while source.next_us < end_us:
        found.append(source.next_us)
        source.advance()
    return found


def test_a_day_of_history_has_the_mean_rate_and_follows_the_hours() -> None:
    times = arrivals(Schedule.until(MIDNIGHT_US, timedelta(days=1), 1.0, 0.0), MIDNIGHT_US)
    assert abs(len(times) - 86_400) < 1200
    by_hour = [0] * 24
    for time_us in times:
        by_hour[time_us // (3600 * MICROSECONDS) % 24] += 1
    quietest, busiest = HOURLY_SHARES.index(min(HOURLY_SHARES)), HOURLY_SHARES.index(max(HOURLY_SHARES))
    assert abs(by_hour.index(min(by_hour)) - quietest) <= 1
    assert by_hour[busiest] > 1.5 * by_hour[quietest]


def test_the_live_rate_swings_mildly() -> None:
    schedule = Schedule(MIDNIGHT_US, MIDNIGHT_US, 0.0, 100.0)
    rates = [schedule.rate_at(MIDNIGHT_US + minute * 60 * MICROSECONDS) for minute in range(1440)]
    assert abs(sum(rates) / len(rates) - 100) < 1
    assert 85 < min(rates) < 95
    assert 105 < max(rates) < 115


def test_history_ends_and_live_begins_at_the_epoch() -> None:
    schedule = Schedule.until(MIDNIGHT_US, timedelta(minutes=10), 2.0, 50.0)
    times = arrivals(schedule, MIDNIGHT_US + 60 * MICROSECONDS)
    history = [time_us for time_us in times if time_us < MIDNIGHT_US]
    assert times == sorted(times)
    assert 900 < len(history) < 1900
    assert 2500 < len(times) - len(history) < 3700


def test_no_live_rate_means_that_nothing_happens_after_the_epoch() -> None:
    source = Arrivals(Schedule.until(MIDNIGHT_US, timedelta(minutes=1), 5.0, 0.0), random.Random(1))
    last_us = 0
    while source.next_us != NEVER_US:
        last_us = source.next_us
        source.advance()
    assert MIDNIGHT_US - 10 * MICROSECONDS < last_us < MIDNIGHT_US


def test_live_events_end_when_they_are_told_to() -> None:
    source = Arrivals(
        Schedule.until(MIDNIGHT_US, timedelta(minutes=1), 1.0, 200.0, timedelta(seconds=5)), random.Random(1)
    )
    times = []
    while source.next_us != NEVER_US:
        times.append(source.next_us)
        source.advance()
    assert 850 < sum(1 for time_us in times if time_us >= MIDNIGHT_US) < 1250
    assert MIDNIGHT_US + 4.9 * MICROSECONDS < times[-1] < MIDNIGHT_US + 5 * MICROSECONDS


def test_no_history_rate_means_that_the_first_event_is_live() -> None:
    source = Arrivals(Schedule.until(MIDNIGHT_US, timedelta(days=1), 0.0, 10.0), random.Random(1))
    assert MIDNIGHT_US <= source.next_us < MIDNIGHT_US + 5 * MICROSECONDS
