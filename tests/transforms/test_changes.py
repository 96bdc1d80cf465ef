"""Which days a change of the lake concerns."""

from datetime import date

from tests.transforms.lakes import at
from transforms.changes import Seen, changed_days, first_day, spans

ONE, TWO, THREE, FIVE = (date(2026, 7, day) for day in (1, 2, 3, 5))


def test_days_with_more_fewer_or_no_rows_are_changed() -> None:
    before = Seen(at(5, 0), {(ONE, "posts"): 1, (TWO, "posts"): 2, (THREE, "likes"): 3})
    after = Seen(at(6, 0), {(ONE, "posts"): 1, (TWO, "posts"): 1, (FIVE, "likes"): 3})
    assert changed_days(before, after) == {TWO, THREE, FIVE}
    assert changed_days(after, after) == set()
    more = Seen(at(6, 0), {**after.rows, (ONE, "deletes"): 1})
    assert changed_days(after, more) == set()
    assert changed_days(after, more, ["deletes"]) == {ONE}


def test_the_first_day_is_the_lakes_earliest_and_never_ahead() -> None:
    assert first_day(Seen(at(5, 0), {(THREE, "posts"): 1, (TWO, "likes"): 1})) == TWO
    assert first_day(Seen(at(5, 0), {(ONE, "deletes"): 1})) == FIVE
    assert first_day(Seen(at(5, 0), {})) == FIVE
    assert first_day(Seen(at(2, 0), {(FIVE, "posts"): 1})) == TWO


def test_spans_are_runs_without_a_gap() -> None:
    assert spans([]) == []
    assert spans([FIVE, ONE, TWO, THREE, TWO]) == [(ONE, THREE), (FIVE, FIVE)]
