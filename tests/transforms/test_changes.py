"""Which days a change of the lake concerns."""

from datetime import date

from bluelake.core.settings import Settings
from bluelake.lake.compaction.sealer import Sealer, whole
from bluelake.lake.delta import DataFile, Store
from bluelake.lake.hours import Hour
from bluelake.lake.query import connect, where
from bluelake.lake.tables import POSTS
from tests.support.lakes import Lake as SmallLake
from tests.support.published import at
from transforms.changes import Seen, changed, first_day, look, readers, since

ONE, TWO, THREE, FIVE = (date(2026, 7, day) for day in (1, 2, 3, 5))


def test_days_with_more_fewer_or_no_rows_are_changed() -> None:
    before = Seen(at(5, 0), {(ONE, "posts"): 1, (TWO, "posts"): 2, (THREE, "likes"): 3})
    after = Seen(at(6, 0), {(ONE, "posts"): 1, (TWO, "posts"): 1, (FIVE, "likes"): 3})
    assert changed(before, after) == {(TWO, "posts"), (THREE, "likes"), (FIVE, "likes")}
    assert changed(after, after) == set()
    more = Seen(at(6, 0), {**after.rows, (ONE, "deletes"): 1})
    assert changed(after, more) == set()
    assert changed(after, more, ["deletes"]) == {(ONE, "deletes")}


def files_of(store: Store, hour: str) -> list[DataFile]:
    """The live files of posts of one hour."""
    return [file for file in store.files("posts") if file.hour.label == hour]


def test_a_day_that_loses_as_many_rows_as_it_gains_is_changed_and_a_sealed_one_is_not(lake_settings: Settings) -> None:
    lake, store = SmallLake(lake_settings), Store(lake_settings.lake_dir)
    for day in (1, 2, 3):
        lake.post("ann", "a1", at(day, 9))
        lake.post("ann", "a2", at(day, 9), rev=2)
    first = look(store, at(5, 0))
    with connect(lake_settings) as connection:
        sealer = Sealer(lake_settings, store, connection)
        for label, keep in (("2026-07-01T09", whole), ("2026-07-02T09", lambda rows: where(rows, "rkey <> 'a1'"))):
            assert sealer.rewrite(POSTS, Hour.parse(label), keep, files_of(store, label))
        lake.post("bob", "late", at(2, 9))
        second = since(store, first, look(store, at(5, 0)))
        assert first.rows == second.rows
        assert changed(first, second) == {(TWO, "posts")}
        assert sealer.rewrite(POSTS, Hour.parse("2026-07-02T09"), whole, files_of(store, "2026-07-02T09"))
        assert changed(first, since(store, first, look(store, at(5, 0)))) == {(TWO, "posts")}
    assert changed(second, since(store, second, look(store, at(5, 0)))) == set()


def test_the_first_day_is_the_lakes_earliest_and_never_ahead() -> None:
    assert first_day(Seen(at(5, 0), {(THREE, "posts"): 1, (TWO, "likes"): 1})) == TWO
    assert first_day(Seen(at(5, 0), {(ONE, "deletes"): 1})) == FIVE
    assert first_day(Seen(at(5, 0), {})) == FIVE
    assert first_day(Seen(at(2, 0), {(FIVE, "posts"): 1})) == TWO


def test_a_view_is_stale_on_every_day_from_which_it_reads_a_day_that_changed() -> None:
    reads = {"liked": {"likes": 0, "posts": 2}, "tags": {"posts": 1}, "accounts": {"follows": 0}}
    assert readers([(ONE, "posts"), (FIVE, "likes"), (FIVE, "reposts")], reads, FIVE) == {
        *(("liked", day) for day in (ONE, TWO, THREE, FIVE)),
        *(("tags", day) for day in (ONE, TWO)),
    }
    # What has not begun is computed when it has.
    assert readers([(ONE, "posts"), (FIVE, "likes")], reads, TWO) == {
        *(("liked", day) for day in (ONE, TWO)),
        *(("tags", day) for day in (ONE, TWO)),
    }
