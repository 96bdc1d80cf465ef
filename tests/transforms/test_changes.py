"""Which days a change of the lake concerns."""

from datetime import date

from core.settings import Settings
from lake.duck import connect
from lake.seal import Sealer
from lake.store import DataFile, Store
from lake.tables import POSTS
from tests.transforms.lakes import SmallLake, at
from transforms.changes import Seen, changed_days, first_day, look, since, spans

ONE, TWO, THREE, FIVE = (date(2026, 7, day) for day in (1, 2, 3, 5))


def test_days_with_more_fewer_or_no_rows_are_changed() -> None:
    before = Seen(at(5, 0), {(ONE, "posts"): 1, (TWO, "posts"): 2, (THREE, "likes"): 3})
    after = Seen(at(6, 0), {(ONE, "posts"): 1, (TWO, "posts"): 1, (FIVE, "likes"): 3})
    assert changed_days(before, after) == {TWO, THREE, FIVE}
    assert changed_days(after, after) == set()
    more = Seen(at(6, 0), {**after.rows, (ONE, "deletes"): 1})
    assert changed_days(after, more) == set()
    assert changed_days(after, more, ["deletes"]) == {ONE}


def files_of(store: Store, hour: str) -> list[DataFile]:
    """The live files of posts of one hour."""
    return [file for file in store.files("posts") if file.hour == hour]


def test_a_day_that_loses_as_many_rows_as_it_gains_is_changed_and_a_sealed_one_is_not(lake_settings: Settings) -> None:
    lake, store = SmallLake(lake_settings), Store(lake_settings.lake_dir)
    for day in (1, 2, 3):
        lake.post("ann", "a1", at(day, 9))
        lake.post("ann", "a2", at(day, 9), rev=2)
    first = look(store, at(5, 0))
    with connect(lake_settings) as connection:
        sealer = Sealer(lake_settings, store, connection)
        for hour, condition in (("2026-07-01T09", ""), ("2026-07-02T09", "AND rkey <> 'a1'")):
            assert sealer.rewrite(POSTS, hour, condition, files_of(store, hour))
        lake.post("bob", "late", at(2, 9))
        second = since(store, first, look(store, at(5, 0)))
        assert first.rows == second.rows
        assert changed_days(first, second) == {TWO}
        assert sealer.rewrite(POSTS, "2026-07-02T09", "", files_of(store, "2026-07-02T09"))
        assert changed_days(first, since(store, first, look(store, at(5, 0)))) == {TWO}
    assert changed_days(second, since(store, second, look(store, at(5, 0)))) == set()


def test_the_first_day_is_the_lakes_earliest_and_never_ahead() -> None:
    assert first_day(Seen(at(5, 0), {(THREE, "posts"): 1, (TWO, "likes"): 1})) == TWO
    assert first_day(Seen(at(5, 0), {(ONE, "deletes"): 1})) == FIVE
    assert first_day(Seen(at(5, 0), {})) == FIVE
    assert first_day(Seen(at(2, 0), {(FIVE, "posts"): 1})) == TWO


def test_spans_are_runs_without_a_gap() -> None:
    assert spans([]) == []
    assert spans([FIVE, ONE, TWO, THREE, TWO]) == [(ONE, THREE), (FIVE, FIVE)]
