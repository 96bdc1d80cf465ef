"""The daily maintenance: deleted rows leave sealed hours within a budget and a time, unused files go, live ones never do."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.crash import VARIABLE
from bluelake.core.settings import Settings
from bluelake.lake.compaction.maintenance import Maintained, maintain
from bluelake.lake.compaction.pending_purge import PendingHour, PendingPurge, oldest_waiting_us, read_state
from bluelake.lake.compaction.sealer import seal
from bluelake.lake.delta import Store, vacuum_tables
from bluelake.lake.delta.log import entries
from bluelake.lake.drain import drain
from bluelake.lake.errors import SealError
from bluelake.lake.tables import LIKES
from tests.support.buffers import feed
from tests.support.faults import Killed, empty, kill_at, old
from tests.support.frames import DIDS, HOUR_US, NOON_US, account, delete, like, post, status
from tests.support.lakes import LATER, break_file, drained, everything, live, values
from tests.support.paths import ROOT
from tests.support.processes import clean_environment
from tests.support.rows import likes
from tests.support.snapshots import Snapshots

LIKE = "app.bsky.feed.like"


def unlike(did: str, rkey: str, *, rev: int = 9, hours: int = 5) -> bytes:
    return delete(did, rkey, rev=rev, collection=LIKE, time_us=NOON_US + hours * HOUR_US)


def sealed(buffer: Buffer, settings: Settings, *batches: list[bytes], now: datetime = LATER) -> None:
    drained(buffer, settings, *batches)
    seal(settings, now)


def keys(settings: Settings, table: str = "likes") -> list[str]:
    return sorted(values(settings, f"SELECT rkey FROM {table}_all"))


@pytest.fixture
def two_hours(snapshots: Snapshots, buffer: Buffer, settings: Settings) -> Settings:
    """Likes 3ka to 3kd at noon and 3ke, 3kf at one, sealed."""
    noon = [like(DIDS[0], f"3k{letter}") for letter in "abcd"]
    one = [like(DIDS[0], f"3k{letter}", time_us=NOON_US + HOUR_US) for letter in "ef"]
    snapshots.start("two hours", settings, partial(sealed, buffer, settings, noon + one))
    return settings


def test_deleted_rows_leave_sealed_hours(two_hours: Settings, buffer: Buffer) -> None:
    # By rev 0 nothing is deleted: the record is younger.
    drained(buffer, two_hours, [unlike(DIDS[0], "3ka"), unlike(DIDS[0], "3kb", rev=0), unlike(DIDS[1], "3kc")])
    assert keys(two_hours) == ["3ka", "3kb", "3kc", "3kd", "3ke", "3kf"]

    done = maintain(two_hours, LATER)

    assert (done.hours, done.rows, done.waiting_hours, done.waiting_rows) == (1, 1, 0, 0)
    assert keys(two_hours) == ["3kb", "3kc", "3kd", "3ke", "3kf"]
    assert [hour.table for hour in seal(two_hours, LATER)] == ["deletes"]


def test_a_second_maintenance_has_nothing_to_do(two_hours: Settings, buffer: Buffer) -> None:
    sealed(buffer, two_hours, [unlike(DIDS[0], "3ka")])
    maintain(two_hours, LATER)
    before = {table: live(two_hours, table) for table in ("likes", "deletes")}
    done = maintain(two_hours, LATER)
    assert (done.hours, done.rows, done.vacuumed.files) == (0, 0, 0)
    assert {table: live(two_hours, table) for table in before} == before


def test_a_delete_that_comes_late_into_an_hour_looked_at_is_seen(two_hours: Settings, buffer: Buffer) -> None:
    sealed(buffer, two_hours, [unlike(DIDS[0], "3ka")])
    maintain(two_hours, LATER)
    sealed(buffer, two_hours, [unlike(DIDS[0], "3kb")])
    assert maintain(two_hours, LATER).rows == 1
    assert keys(two_hours) == ["3kc", "3kd", "3ke", "3kf"]


def test_the_budget_takes_the_worst_hour_first_and_the_next_run_goes_on(two_hours: Settings, buffer: Buffer) -> None:
    drained(buffer, two_hours, [unlike(DIDS[0], rkey) for rkey in ("3ka", "3kb", "3ke")])
    sizes = {file.hour.label: file.size_bytes for file in Store(two_hours.lake_dir).files("likes")}
    small = two_hours.model_copy(update={"maintenance_max_mb": sizes["2026-07-04T12"] / 1e6})
    none = two_hours.model_copy(update={"maintenance_max_mb": 0})

    assert (maintain(none, LATER).rows, keys(none)) == (0, ["3ka", "3kb", "3kc", "3kd", "3ke", "3kf"])
    first = maintain(small, LATER)
    assert (first.hours, first.rows, first.waiting_hours, first.waiting_rows) == (1, 2, 1, 1)
    assert keys(small) == ["3kc", "3kd", "3ke", "3kf"]
    assert read_state(small.maintenance_dir).rows == 1
    assert maintain(small, LATER).rows == 1
    assert keys(small) == ["3kc", "3kd", "3kf"]


def test_the_oldest_deletion_that_waits_is_known(two_hours: Settings, buffer: Buffer) -> None:
    none = two_hours.model_copy(update={"maintenance_max_mb": 0})

    def oldest() -> float | None:
        found = oldest_waiting_us(read_state(none.maintenance_dir), Store(none.lake_dir))
        return None if found is None else (found - NOON_US) / HOUR_US

    assert oldest() is None
    drained(buffer, none, [unlike(DIDS[0], "3ka", hours=7), unlike(DIDS[0], "3kb", hours=8)])
    # Nobody has looked at them.
    assert oldest() == 7
    maintain(none, LATER)
    # They are on the list.
    assert oldest() == 7
    # Seen at noon; of whom nothing is there.
    drained(buffer, none, [status(DIDS[1], "deleted", seq=1)])
    assert oldest() == 0
    maintain(none, LATER)
    assert oldest() == 7
    maintain(two_hours, LATER)
    assert oldest() is None


@pytest.mark.parametrize(("grace_hours", "overdue_days"), [(24, 25), (144, 20)])
def test_what_is_overdue_goes_whatever_the_budget(
    grace_hours: int, overdue_days: int, two_hours: Settings, buffer: Buffer
) -> None:
    drained(buffer, two_hours, [unlike(DIDS[0], "3ka", hours=5)])
    update = {"maintenance_max_mb": 0, "purge_days": 30, "vacuum_grace_hours": grace_hours}
    none = two_hours.model_copy(update=update)
    deleted_at = datetime(2026, 7, 4, 17, tzinfo=UTC)
    assert maintain(none, deleted_at + timedelta(days=overdue_days, hours=-1)).rows == 0
    assert maintain(none, deleted_at + timedelta(days=overdue_days, seconds=1)).rows == 1


def test_a_purge_ends_when_its_time_is_over_unless_something_is_overdue(two_hours: Settings, buffer: Buffer) -> None:
    one = [like(DIDS[1], "3kg", time_us=NOON_US + 2 * HOUR_US)]
    sealed(buffer, two_hours, one, [unlike(DIDS[0], rkey) for rkey in ("3ka", "3ke")])
    drained(buffer, two_hours, [unlike(DIDS[1], "3kg")])
    short = two_hours.model_copy(update={"heavy_max_minutes": 0})
    first = maintain(short, LATER)
    assert (first.hours, first.waiting_hours) == (1, 2)
    overdue = maintain(short, LATER + timedelta(days=40))
    assert (overdue.hours, overdue.waiting_hours) == (2, 0)


def test_only_records_of_deleted_accounts_go_with_them(buffer: Buffer, settings: Settings) -> None:
    gone, away, back = DIDS[1], DIDS[2], DIDS[3]
    sealed(buffer, settings, [post(did, "3ka") for did in (gone, away, back)])
    drained(buffer, settings, [status(gone, "deleted", seq=2), status(away, "takendown", seq=3)])
    drained(buffer, settings, [status(back, "deleted", seq=4)])
    # It is listed, and back before its hour's turn.
    none = settings.model_copy(update={"maintenance_max_mb": 0})
    assert maintain(none, LATER).waiting_rows == 2
    drained(buffer, settings, [account(back, True, seq=5)])

    maintain(settings, LATER)

    assert sorted(values(settings, "SELECT did FROM posts_all")) == sorted([away, back])
    assert values(settings, "SELECT did FROM posts") == [back]


def test_records_that_came_after_their_account_was_deleted_stay(buffer: Buffer, settings: Settings) -> None:
    sealed(buffer, settings, [post(DIDS[1], "3kold", time_us=NOON_US - HOUR_US // 2), post(DIDS[1], "3knew", rev=5)])
    drained(buffer, settings, [status(DIDS[1], "deleted", seq=2, at="2026-07-04T11:40:00Z")])
    assert maintain(settings, LATER).rows == 1
    assert keys(settings, "posts") == ["3knew"]


def test_a_reset_of_a_repository_hides_and_purges_nothing(buffer: Buffer, settings: Settings) -> None:
    sealed(buffer, settings, [like(DIDS[0], "3ka")])
    frame = delete(DIDS[0], "*", rev=9, collection="*").replace(b'"kind":"commit"', b'"kind":"sync"')
    drained(buffer, settings, [frame])
    assert values(settings, "SELECT collection FROM deletes_all") == ["*"]
    assert (maintain(settings, LATER).rows, keys(settings)) == (0, ["3ka"])


def test_whoever_may_keep_deletions_keeps_them_and_purges_all_of_them_when_that_ends(
    two_hours: Settings, buffer: Buffer
) -> None:
    keep = two_hours.model_copy(update={"bluelake_deletions": "keep"})
    drained(buffer, two_hours, [unlike(DIDS[0], "3ka")])
    maintain(two_hours, LATER)
    drained(buffer, keep, [unlike(DIDS[0], "3kb")])
    assert maintain(keep, LATER).rows == 0
    # Came while all was kept, long after its delete had been looked at.
    drained(buffer, keep, [like(DIDS[0], "3ka")])
    seal(keep, LATER)
    assert keys(keep) == ["3ka", "3kb", "3kc", "3kd", "3ke", "3kf"]
    assert maintain(two_hours, LATER).rows == 2
    assert keys(two_hours) == ["3kc", "3kd", "3ke", "3kf"]


def test_a_lost_state_costs_looking_again(two_hours: Settings, buffer: Buffer) -> None:
    drained(buffer, two_hours, [unlike(DIDS[0], "3ka")])
    maintain(two_hours.model_copy(update={"maintenance_max_mb": 0}), LATER)
    empty(two_hours.maintenance_dir / "state.json")
    assert maintain(two_hours, LATER).rows == 1


@pytest.mark.parametrize("keeps", [0, 100, None])
def test_a_broken_list_costs_looking_again(
    keeps: int | None, two_hours: Settings, buffer: Buffer, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = two_hours.model_copy(update={"maintenance_max_mb": 0})
    for rkey in ("3ka", "3ke"):
        drained(buffer, two_hours, [unlike(DIDS[0], rkey)])
        maintain(waiting, LATER)
    first, second = sorted(two_hours.maintenance_dir.glob("doomed-*.parquet"))
    if keeps is None:
        first.unlink()
    else:
        os.truncate(first, keeps)
    caplog.clear()

    assert maintain(waiting, LATER).waiting_rows == 2

    assert "a list cannot be read" in caplog.text
    assert not {first.name, second.name} & set(os.listdir(two_hours.maintenance_dir))
    assert maintain(two_hours, LATER).rows == 2
    assert keys(two_hours) == ["3kb", "3kc", "3kd", "3kf"]


def test_a_row_is_listed_once_however_often_its_delete_is_looked_at(two_hours: Settings, buffer: Buffer) -> None:
    waiting = two_hours.model_copy(update={"maintenance_max_mb": 0})
    drained(buffer, two_hours, [unlike(DIDS[0], "3ka")])
    assert maintain(waiting, LATER).waiting_rows == 1
    # The hour of the delete has other files, and then one more.
    assert [hour.table for hour in seal(two_hours, LATER)] == ["deletes"]
    assert maintain(waiting, LATER).waiting_rows == 1
    drained(buffer, two_hours, [unlike(DIDS[0], "3kb")])
    done = maintain(waiting, LATER)
    assert (done.waiting_hours, done.waiting_rows, read_state(two_hours.maintenance_dir).rows) == (1, 2, 2)


def test_a_row_that_goes_by_its_delete_and_with_its_account_is_listed_once(two_hours: Settings, buffer: Buffer) -> None:
    waiting = two_hours.model_copy(update={"maintenance_max_mb": 0})
    drained(buffer, two_hours, [unlike(DIDS[0], "3ka"), status(DIDS[0], "deleted", seq=2, at="2026-07-04T14:00:00Z")])
    assert maintain(waiting, LATER).waiting_rows == 6


def test_an_hour_that_is_open_again_is_left_to_the_seal(two_hours: Settings, buffer: Buffer) -> None:
    drained(buffer, two_hours, [unlike(DIDS[0], "3ka"), like(DIDS[5], "3klate")])
    assert maintain(two_hours, LATER).hours == 0
    seal(two_hours, LATER)
    assert keys(two_hours) == ["3kb", "3kc", "3kd", "3ke", "3kf", "3klate"]


def test_a_deleted_row_that_comes_during_the_maintenance_is_purged_by_the_seal(
    two_hours: Settings, buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed(buffer, two_hours, [unlike(DIDS[0], "3ka"), unlike(DIDS[5], "3klate")])
    original = PendingPurge.select

    def select(pending: PendingPurge, hour: PendingHour) -> Callable[[str], str]:
        drained(buffer, two_hours, [like(DIDS[5], "3klate")])
        return original(pending, hour)

    with monkeypatch.context() as patch:
        patch.setattr(PendingPurge, "select", select)
        assert maintain(two_hours, LATER).rows == 1
    assert keys(two_hours) == ["3kb", "3kc", "3kd", "3ke", "3kf", "3klate"]
    seal(two_hours, LATER)
    assert keys(two_hours) == ["3kb", "3kc", "3kd", "3ke", "3kf"]


def test_an_hour_that_is_empty_leaves_the_list(
    two_hours: Settings, buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained(buffer, two_hours, [unlike(DIDS[0], "3ke"), unlike(DIDS[0], "3kf")])
    with monkeypatch.context() as patch:
        kill_at(patch, PendingPurge, "_write", call=2, after=False)
        with pytest.raises(Killed):
            maintain(two_hours, LATER)
    assert keys(two_hours) == ["3ka", "3kb", "3kc", "3kd"]
    done = maintain(two_hours, LATER + timedelta(days=40))
    assert (done.hours, done.waiting_hours, done.waiting_rows) == (0, 0, 0)


def test_an_hour_that_cannot_be_purged_keeps_nothing_else_from_being_done(two_hours: Settings, buffer: Buffer) -> None:
    sealed(buffer, two_hours, [unlike(DIDS[0], "3ka"), unlike(DIDS[0], "3kb"), unlike(DIDS[0], "3ke")])
    maintain(two_hours.model_copy(update={"maintenance_max_mb": 0}), LATER)
    (two_hours.raw_dir / "2020-01-01").mkdir()
    ready = two_hours.model_copy(update={"vacuum_grace_hours": 0})
    unused = len(list(two_hours.lake_dir.rglob("*.parquet")))
    break_file(two_hours, "likes")
    with pytest.raises(SealError, match="the purge failed: 1 hours of tables cannot be purged: likes 2026-07-04T12"):
        maintain(ready, datetime.now(UTC))
    assert [file.rows for file in live(two_hours, "likes", "2026-07-04T13")] == [1]
    assert read_state(two_hours.maintenance_dir).rows == 2
    assert len(list(two_hours.lake_dir.rglob("*.parquet"))) < unused
    assert not (two_hours.raw_dir / "2020-01-01").exists()


def test_what_cannot_be_looked_through_keeps_the_vacuum_from_nothing(two_hours: Settings, buffer: Buffer) -> None:
    drained(buffer, two_hours, [unlike(DIDS[0], "3ka")])
    (two_hours.raw_dir / "2020-01-01").mkdir()
    break_file(two_hours, "likes")
    with pytest.raises(SealError, match=r"the purge failed: .*No magic bytes"):
        maintain(two_hours, LATER)
    assert not (two_hours.raw_dir / "2020-01-01").exists()


def test_a_vacuum_removes_what_was_replaced_after_the_grace(two_hours: Settings) -> None:
    store = Store(two_hours.lake_dir)
    on_disk = set(two_hours.lake_dir.rglob("*.parquet"))
    live_now = {Path(file.path) for name in ("likes", "replacements", "batches") for file in store.files(name)}
    replaced = on_disk - live_now
    assert replaced
    # However old a file is: the grace runs from when it was replaced.
    for path in on_disk:
        old(path, 1000)
    assert vacuum_tables(store, 1, datetime.now(UTC)).files == 0

    assert vacuum_tables(store, 0, datetime.now(UTC)).files == len(replaced)

    left = {path for path in two_hours.lake_dir.rglob("*.parquet") if "_delta_log" not in path.parts}
    assert left == live_now
    assert keys(two_hours) == ["3ka", "3kb", "3kc", "3kd", "3ke", "3kf"]


def test_a_vacuum_removes_what_killed_writers_left_and_not_what_is_being_written(two_hours: Settings) -> None:
    hour = two_hours.lake_dir / "likes" / "year=2026" / "month=07" / "day=04" / "hour=12"
    names = ("sealed-x.zstd.parquet", "part-x.parquet#1")
    for age in ("fresh", "old"):
        for name in names:
            (hour / f"{age}-{name}").write_bytes(b"x")
    for name in names:
        old(hour / f"old-{name}", 30)
    vacuum_tables(Store(two_hours.lake_dir), 24, datetime.now(UTC))
    assert {path.name for path in hour.iterdir() if path.stat().st_size == 1} == {f"fresh-{name}" for name in names}


def test_what_killed_processes_left_of_their_scratch_goes_before_anything_else(
    two_hours: Settings, buffer: Buffer
) -> None:
    sealed(buffer, two_hours, [unlike(DIDS[0], "3ka")])
    break_file(two_hours, "likes")
    left = two_hours.spill_dir / "1-abandoned"
    left.mkdir(parents=True)
    for path in (left / "lock", two_hours.spill_dir / "old.zst", two_hours.spill_dir / "fresh.zst"):
        path.write_bytes(b"x")
    old(two_hours.spill_dir / "old.zst", 25)
    old(two_hours.spill_dir / "fresh.zst", 23)
    with pytest.raises(SealError, match="the purge failed"):
        maintain(two_hours, datetime.now(UTC))
    assert not left.exists()
    assert [path.name for path in two_hours.spill_dir.iterdir() if path.is_file()] == ["fresh.zst"]


def test_how_old_a_file_is_the_clock_tells_that_dated_it(two_hours: Settings) -> None:
    hour = two_hours.lake_dir / "likes" / "year=2026" / "month=07" / "day=04" / "hour=12"
    two_hours.spill_dir.mkdir(exist_ok=True)
    fresh = (hour / "part-x.parquet#1", two_hours.spill_dir / "fresh.zst")
    for path in fresh:
        path.write_bytes(b"x")
    maintain(two_hours, datetime.now(UTC) + timedelta(hours=48))
    assert [path.name for path in fresh if path.exists()] == ["part-x.parquet#1", "fresh.zst"]


def test_a_reader_finishes_on_the_files_that_it_opened(two_hours: Settings, buffer: Buffer) -> None:
    before = Store(two_hours.lake_dir).files("likes")
    drained(buffer, two_hours, [unlike(DIDS[0], "3ka")])
    done = maintain(two_hours, datetime.now(UTC))
    assert done.rows == 1
    assert all(Path(file.path).exists() for file in before)


def test_old_log_entries_go_once_a_checkpoint_sums_them_up(two_hours: Settings, buffer: Buffer) -> None:
    for number in range(5):
        drained(buffer, two_hours, [like(DIDS[1], f"3k{number}")])
    root = two_hours.lake_dir / "likes"
    for entry in entries(root):
        old(entry, 24 * 8)
    before = everything(two_hours, "likes")
    vacuum_tables(Store(two_hours.lake_dir), 24, datetime.now(UTC))
    assert len(entries(root)) == 1
    assert everything(two_hours, "likes") == before
    drained(buffer, two_hours, [like(DIDS[2], "3klast")])
    assert len(everything(two_hours, "likes")) == len(before) + 1


def test_log_entries_of_a_batch_that_was_killed_stay_for_the_next_drain(two_hours: Settings) -> None:
    store = Store(two_hours.lake_dir)
    row = store.append(LIKES, likes(LIKES), 2, {"unwritable": [0]})
    assert row is not None
    for number in (1, 2):
        store.append(LIKES, likes(LIKES), number, {}, application="another")
    for entry in entries(two_hours.lake_dir / "likes"):
        old(entry, 24 * 8)
    vacuum_tables(Store(two_hours.lake_dir), 24, datetime.now(UTC))
    assert [counts["unwritable"] for counts in Store(two_hours.lake_dir).commit_counts("likes", 1)] == [[0]]


def in_a_child(settings: Settings, **environment: str) -> subprocess.CompletedProcess[str]:
    code = (
        "from datetime import UTC, datetime; from bluelake.core.settings import load_settings;"
        "from bluelake.lake.compaction import maintain; maintain(load_settings(), datetime(2026, 7, 4, 20, tzinfo=UTC))"
    )
    environment |= {"BLUELAKE_HOME": str(settings.home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(**environment), capture_output=True, text=True, check=False
    )


@pytest.mark.integration
@pytest.mark.parametrize("point", ["before-seal-commit", "mid-seal-commit", "after-seal-commit", "mid-vacuum"])
def test_killed_anywhere_the_next_maintenance_ends_right(point: str, two_hours: Settings, buffer: Buffer) -> None:
    drained(buffer, two_hours, [unlike(DIDS[0], "3ka"), unlike(DIDS[0], "3ke")])
    store = Store(two_hours.lake_dir)
    hour = Path(store.files("likes")[0].path).parent
    for number in range(2):
        (hour / f"orphan{number}.parquet").write_bytes(b"x")
        old(hour / f"orphan{number}.parquet", 48)

    assert in_a_child(two_hours, **{VARIABLE: point}).returncode == -9

    done = maintain(two_hours, LATER)
    seal(two_hours, LATER)
    assert isinstance(done, Maintained)
    assert keys(two_hours) == ["3kb", "3kc", "3kd", "3kf"]
    assert not list(hour.glob("orphan*"))
    assert [file.rows for file in sorted(Store(two_hours.lake_dir).files("likes"), key=lambda f: f.hour)] == [3, 1]


def test_old_raw_chunks_go(two_hours: Settings) -> None:
    (two_hours.raw_dir / "2020-01-01").mkdir()
    assert maintain(two_hours, datetime.now(UTC)).raw_days == ["2020-01-01"]


def test_a_sealed_lake_drains_on(two_hours: Settings, buffer: Buffer) -> None:
    """What was sealed is still known to the drain: a re-delivered like falls out."""
    feed(buffer, [like(DIDS[0], "3kc"), like(DIDS[0], "3knew")])
    (batch,) = drain(two_hours)
    assert (batch.duplicates, batch.rows_by_table["likes"]) == (1, 1)
    assert LIKES.name in batch.rows_by_table
