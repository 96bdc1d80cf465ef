"""The seal: one sorted file an hour, no row lost, nothing twice, hours known by their files."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyarrow import parquet

from bluelake.buffer.client import Buffer
from bluelake.core.crash import VARIABLE
from bluelake.core.settings import Settings
from bluelake.core.status import read_status
from bluelake.lake.compaction.purge import DeletedAccounts
from bluelake.lake.compaction.sealer import SealedHour, seal, waiting_hours
from bluelake.lake.delta import Store, read_sealed
from bluelake.lake.delta.log import added_by
from bluelake.lake.delta.rewrite import folder_of
from bluelake.lake.errors import CommitError, SealError
from bluelake.lake.query import connect
from bluelake.lake.search import Searcher, SearchQuery
from bluelake.lake.tables import DELETES, TABLES
from tests.support.frames import DIDS, HOUR_US, NOON_US, account, commit_frame, delete, like, post, status, tid
from tests.support.lakes import LATER, Lake, break_file, drained, everything, live, rows, values
from tests.support.paths import ROOT
from tests.support.processes import clean_environment, wait_until
from tests.support.rows import delete_rows
from tests.support.rows import post as lake_post


def sealed_of(done: list[SealedHour], table: str) -> list[SealedHour]:
    return [hour for hour in done if hour.table == table]


def test_an_hour_becomes_one_file_sorted_by_author_and_key(buffer: Buffer, settings: Settings) -> None:
    batches = [[like(did, f"3k{n}", time_us=NOON_US + n) for did in DIDS] for n in (3, 1, 2)]
    drained(buffer, settings, *batches)
    before = everything(settings, "likes")
    assert len(live(settings, "likes")) == 3

    done = seal(settings, LATER)

    (hour,) = sealed_of(done, "likes")
    assert (hour.hour.label, hour.rows_before, hour.rows, hour.files) == ("2026-07-04T12", 21, 21, 1)
    (file,) = live(settings, "likes")
    stored = parquet.ParquetFile(file.path).read(columns=["did", "rkey"]).to_pylist()
    assert [(row["did"], row["rkey"]) for row in stored] == [(did, f"3k{n}") for did in DIDS for n in (1, 2, 3)]
    assert everything(settings, "likes") == before
    assert (file.first_us, file.last_us, file.greatest["operation"]) == (NOON_US, NOON_US + 1000, "create")


def test_every_table_is_sealed_and_says_what_it_said(buffer: Buffer, settings: Settings) -> None:
    did = DIDS[0]
    frames = [
        *(commit_frame(f"app.bsky.{kind}", did=did) for kind in ("feed.like", "feed.repost", "feed.post")),
        *(commit_frame(f"app.bsky.{kind}", did=did) for kind in ("graph.follow", "graph.block", "actor.profile")),
        account(did, True, seq=1),
        delete(did, "3kother", rev=9),
        b"junk",
    ]
    drained(buffer, settings, frames, [*frames[:-1], account(did, True, seq=2)])
    tables = ("posts", "likes", "reposts", "follows", "blocks", "profiles", "accounts", "deletes")
    before = {table: everything(settings, table) for table in (*tables, "rejects", "batches")}
    assert all(before.values())

    # The rejects and the batches lie in the hour in which this test runs.
    seal(settings, datetime.now(UTC) + timedelta(hours=3))

    assert {table: everything(settings, table) for table in before} == before
    assert all(
        len({file.hour for file in files}) == len(files) for files in map(Store(settings.lake_dir).files, before)
    )


def test_a_did_is_found_by_a_bloom_filter(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [like(did, "3ka") for did in DIDS])
    seal(settings, LATER)
    (file,) = live(settings, "likes")
    found = duckdb.sql(f"SELECT path_in_schema, bloom_filter_length FROM parquet_metadata('{file.path}')").fetchall()
    assert {name for name, length in found if length} == {"did"}
    probe = duckdb.sql(
        f"SELECT DISTINCT bloom_filter_excludes FROM parquet_bloom_probe('{file.path}', 'did', '{DIDS[2]}')"
    )
    assert probe.fetchall() == [(False,)]


def test_a_sealed_hour_is_left_alone(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [like(did, "3ka") for did in DIDS], [post(DIDS[0], "3kp")])
    seal(settings, LATER)
    before = {table: live(settings, table) for table in ("likes", "posts")}
    assert seal(settings, LATER) == []
    assert {table: live(settings, table) for table in before} == before


def test_an_hour_waits_for_its_end_and_the_delay(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [like(DIDS[0], tid(2))])
    end = datetime(2026, 7, 4, 13, tzinfo=UTC)
    assert seal(settings, end + timedelta(minutes=29)) == []
    assert [hour.table for hour in seal(settings, end + timedelta(minutes=30))] == ["likes"]


def test_a_seal_ends_when_its_time_is_over_and_the_next_goes_on(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [like(DIDS[0], tid(hours), time_us=NOON_US + hours * HOUR_US) for hours in range(3)])
    short = settings.model_copy(update={"heavy_max_minutes": 0})
    assert [[hour.hour.label for hour in seal(short, LATER)] for _ in range(4)] == [
        ["2026-07-04T12"],
        ["2026-07-04T13"],
        ["2026-07-04T14"],
        [],
    ]


def test_an_hour_that_cannot_be_sealed_keeps_no_other_from_it(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [like(DIDS[0], f"3k{hours}", time_us=NOON_US + hours * HOUR_US) for hours in range(3)])
    break_file(settings, "likes")
    with pytest.raises(SealError, match=r"1 hours of tables cannot be sealed: likes 2026-07-04T12: .*magic"):
        seal(settings, LATER)
    assert set(map(str, read_sealed(settings.lake_dir / "likes").hours)) == {"2026-07-04T13", "2026-07-04T14"}
    said = read_status(settings, "seal")
    assert said is not None
    assert (said.ok, "likes 2026-07-04T12" in said.message) == (False, True)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left"), CommitError("likes: No space left"), duckdb.Error("No")]
)
def test_many_hours_that_cannot_be_sealed_are_counted(
    error: Exception, buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained(buffer, settings, [like(DIDS[0], tid(hours), time_us=NOON_US - hours * HOUR_US) for hours in range(7)])

    def failing(*arguments: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("bluelake.lake.compaction.sealer.write_hour", failing)
        with pytest.raises(SealError, match=r"7 hours of tables .* likes 2026-07-04T06: .*; and 2 more"):
            seal(settings, LATER)
    assert len(seal(settings, LATER)) == 7


def test_an_hour_of_large_rows_is_sealed_in_pieces_of_the_memory(lake_settings: Settings) -> None:
    lake = Lake(lake_settings)
    for part in range(4):
        lake.write([lake_post("x" * 1_000_000, did=DIDS[n % 7], rkey=f"3k{n}-{part}", rev=n) for n in range(30)])
    (hour,) = sealed_of(seal(lake_settings.model_copy(update={"duckdb_memory_mb": 160}), LATER), "posts")
    assert (hour.rows, hour.files) == (120, 1)
    assert values(lake_settings, "SELECT count(DISTINCT rkey) FROM posts_all WHERE length(text) = 1000000") == [120]


def test_pieces_are_what_one_piece_is(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Heavy authors, rows that came twice, purged ones, and tables without a DID among them."""
    frames = [post(DIDS[n % 5], f"3k{n % 7}", rev=n + 1, text="long " * 50) for n in range(40)]
    frames += [delete(DIDS[1], "3k1", rev=90), *(account(did, True, seq=1) for did in DIDS), b"junk", b"other junk"]
    drained(buffer, settings, frames)
    store = Store(settings.lake_dir)
    for flush in (50, 51):
        store.append(DELETES, delete_rows("3kx", "3ky"), flush, {})
    after = datetime.now(UTC) + timedelta(hours=3)
    whole, cut = settings.home / "whole", settings.home / "cut"
    for folder in (whole, cut):
        shutil.copytree(settings.lake_dir, folder / "lake")
    seal(Settings(bluelake_home=whole, duckdb_memory_mb=512, heavy_author_posts=7), after)
    monkeypatch.setattr("bluelake.lake.compaction.sealer.LARGE_ROW_BYTES", 1)
    # Pieces of 50 bytes.
    monkeypatch.setattr("bluelake.lake.compaction.sealer._MEMORY_SHARE", 10_000_000)
    monkeypatch.setattr("bluelake.lake.delta.rewrite.ROW_GROUP_BYTES", 1)
    caplog.set_level("INFO")

    seal(Settings(bluelake_home=cut, duckdb_memory_mb=512, heavy_author_posts=7), after)

    told = [said.args for said in caplog.records if "in %d pieces" in said.msg and isinstance(said.args, tuple)]
    pieces = {table: int(str(count)) for table, count, *_ in told}
    assert pieces["posts"] > 10
    assert {"accounts", "deletes", "posts"} <= pieces.keys()
    for table in ("posts", "accounts", "deletes", "rejects"):
        one, many = (stored_rows(folder / "lake", table) for folder in (whole, cut))
        assert one
        assert one == many
    groups = [parquet.read_metadata(file.path).num_row_groups for file in Store(cut / "lake").files("posts")]
    assert sum(groups) > 10


def stored_rows(lake_dir: Path, table: str) -> list[list[dict[str, Any]]]:
    """The rows of every file of a table, in their order."""
    return sorted((parquet.ParquetFile(file.path).read().to_pylist() for file in Store(lake_dir).files(table)), key=str)


def test_files_followed_from_commit_to_commit_are_those_that_a_new_list_has(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = "did:web:a%2F..%2Fb"
    drained(buffer, settings, [like(DIDS[0], "3ka")])
    following = Store(settings.lake_dir)
    assert {name: len(following.files(name)) for name in TABLES}["likes"] == 1
    frames = [*(post(odd, f"3k{n}") for n in range(3)), post(DIDS[0], "3ka"), delete(DIDS[0], "3kx", rev=9)]
    drained(buffer, settings, [*frames, account(DIDS[0], True, seq=1), b"junk"], [like(odd, "3kb")])
    seal(settings.model_copy(update={"heavy_author_posts": 1}), LATER)
    drained(buffer, settings, [like(DIDS[2], "3ka")])
    new = {name: sorted(Store(settings.lake_dir).files(name), key=lambda file: file.path) for name in TABLES}
    # It costs as much as the lake is large.
    monkeypatch.setattr("bluelake.lake.delta.live._list_all", None)
    assert {name: sorted(following.files(name), key=lambda file: file.path) for name in TABLES} == new
    assert len(new["likes"]) == 2
    assert {file.partition["user_did"] for file in new["posts"]} == {odd, "other"}


def test_a_late_row_reopens_its_hour(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [like(DIDS[0], tid(2)), like(DIDS[0], tid(3), time_us=NOON_US + HOUR_US)])
    seal(settings, LATER)
    drained(buffer, settings, [like(DIDS[1], tid(4))])
    (waiting,) = waiting_hours(settings, Store(settings.lake_dir), LATER)
    assert (waiting.hour.label, waiting.table) == ("2026-07-04T12", "likes")

    (hour,) = seal(settings, LATER)

    assert (hour.rows_before, hour.rows, hour.files) == (2, 2, 1)
    assert sorted(values(settings, "SELECT rkey FROM likes")) == [tid(2), tid(3), tid(4)]


def test_a_lost_list_of_sealed_hours_costs_sealing_again(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [like(DIDS[0], "3ka")])
    seal(settings, LATER)
    before = everything(settings, "likes")
    (settings.lake_dir / "likes" / "_sealed.json").write_bytes(b"")
    assert [hour.table for hour in seal(settings, LATER)] == ["likes"]
    assert everything(settings, "likes") == before
    assert seal(settings, LATER) == []


def test_rows_that_came_twice_fall_out(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [like(DIDS[0], "3ka"), like(DIDS[0], "3kb")])
    store = Store(settings.lake_dir)
    # As if the same rows had been appended past the drain's own comparison.
    for flush in (50, 51):
        store.append(DELETES, delete_rows("3kx", "3ky"), flush, {})
    (hour,) = sealed_of(seal(settings, LATER), "deletes")
    assert (hour.rows_before, hour.rows) == (4, 2)


def test_deleted_records_and_deleted_accounts_leave_the_files(buffer: Buffer, settings: Settings) -> None:
    gone, away, back = DIDS[1], DIDS[2], DIDS[3]
    frames = [
        post(DIDS[0], "3kstays"),
        post(DIDS[0], "3kgone", rev=1),
        delete(DIDS[0], "3kgone", rev=2, time_us=NOON_US + 30 * HOUR_US),
        post(DIDS[0], "3kanew", rev=1, text="first"),
        delete(DIDS[0], "3kanew", rev=2),
        post(DIDS[0], "3kanew", rev=3, text="second"),
        delete(DIDS[0], "3kstays", rev=5, collection="app.bsky.feed.like"),
        *(post(did, "3ka") for did in (gone, away, back)),
        status(gone, "deleted", seq=2),
        status(away, "deactivated", seq=3),
        status(back, "deleted", seq=4),
        account(back, True, seq=5, hours=1),
    ]
    drained(buffer, settings, frames)
    current = sorted(values(settings, "SELECT did || rkey || text FROM posts"))

    (hour,) = sealed_of(seal(settings, LATER), "posts")

    left = sorted((row["did"], row["rkey"], row["text"]) for row in everything(settings, "posts"))
    assert left == sorted(
        [(DIDS[0], "3kstays", "hello"), (DIDS[0], "3kanew", "second"), (away, "3ka", "hello"), (back, "3ka", "hello")]
    )
    assert (hour.rows_before, hour.rows) == (7, 4)
    assert sorted(values(settings, "SELECT did || rkey || text FROM posts")) == current


def test_what_came_after_an_account_was_deleted_waits_for_word_that_it_is_back(
    buffer: Buffer, settings: Settings
) -> None:
    """A drain that was killed, or a gap, kept that word back."""
    drained(buffer, settings, [post(DIDS[0], "3kold", time_us=NOON_US - HOUR_US // 2), post(DIDS[0], "3knew", rev=5)])
    drained(buffer, settings, [status(DIDS[0], "deleted", seq=1, at="2026-07-04T11:40:00Z")])
    seal(settings, LATER)
    assert values(settings, "SELECT rkey FROM posts_all") == ["3knew"]
    assert values(settings, "SELECT rkey FROM posts") == []
    drained(buffer, settings, [account(DIDS[0], True, seq=2, at="2026-07-04T11:50:00Z")])
    assert values(settings, "SELECT rkey FROM posts") == ["3knew"]


def test_account_events_are_read_once_until_there_are_new_ones(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [status(DIDS[0], "deleted", seq=1)])
    store = Store(settings.lake_dir)
    with connect(settings) as connection:
        deleted = DeletedAccounts(store, connection, 0)

        def dids() -> list[str]:
            return [
                did for (did,) in connection.execute(f"SELECT did FROM {deleted.relation()} ORDER BY ALL").fetchall()
            ]

        assert dids() == DIDS[:1]
        (file,) = store.files("accounts")
        hidden = Path(file.path).rename(settings.home / "hidden")
        assert dids() == DIDS[:1]
        hidden.rename(file.path)
        drained(buffer, settings, [status(DIDS[1], "deleted", seq=2)])
        assert dids() == DIDS[:2]


def test_an_account_that_says_nothing_of_why_it_is_inactive_any_more_is_not_deleted(
    buffer: Buffer, settings: Settings
) -> None:
    drained(buffer, settings, [post(DIDS[0], "3ka"), status(DIDS[0], "deleted", seq=1), account(DIDS[0], False, seq=2)])
    seal(settings, LATER)
    assert values(settings, "SELECT rkey FROM posts_all") == ["3ka"]


def test_whoever_may_keep_deleted_records_keeps_them(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [post(DIDS[0], "3kgone", rev=1), delete(DIDS[0], "3kgone", rev=2)])
    seal(settings.model_copy(update={"bluelake_deletions": "keep"}), LATER)
    assert values(settings, "SELECT rkey FROM posts_all") == ["3kgone"]
    assert values(settings, "SELECT rkey FROM posts") == []


def test_an_hour_of_deleted_records_only_has_no_file(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [post(DIDS[0], "3kgone", rev=1), delete(DIDS[0], "3kgone", rev=2)])
    seal(settings, LATER)
    assert live(settings, "posts") == []
    assert seal(settings, LATER) == []


def test_a_file_tells_no_bounds_where_one_of_its_row_groups_has_none(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset is looked for only in files that can hold one, and Parquet tells no bounds of very long names."""
    monkeypatch.setattr("bluelake.lake.delta.rewrite.ROW_GROUP", 2)
    reset = delete(DIDS[0], "*", rev=9, collection="*").replace(b'"kind":"commit"', b'"kind":"sync"')
    drained(buffer, settings, [like(DIDS[0], "3ka"), reset], [delete(did, "3ka", rev=9) for did in DIDS[1:3]])
    long = delete_rows("3kz").set_column(
        DELETES.schema.get_field_index("collection"), DELETES.schema.field("collection"), [["c" * 5000]]
    )
    long = long.set_column(DELETES.schema.get_field_index("did"), DELETES.schema.field("did"), [[DIDS[0]]])
    Store(settings.lake_dir).append(DELETES, long, 50, {})
    assert values(settings, "SELECT count(*) FROM likes") == [0]
    seal(settings, LATER)
    (file,) = live(settings, "deletes")
    assert (file.least["collection"], file.greatest["collection"]) == (None, None)
    assert file.first_us <= NOON_US < file.last_us
    assert values(settings, "SELECT count(*) FROM likes") == [0]


def test_the_first_and_the_last_time_there_is_are_bounds_in_the_log(buffer: Buffer, settings: Settings) -> None:
    claimed = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")
    frames = [post(DIDS[0], f"3k{n}").replace(b"2026-07-04T11:59:59.500Z", at.encode()) for n, at in enumerate(claimed)]
    drained(buffer, settings, frames)
    seal(settings, LATER)
    entry = max((settings.lake_dir / "posts" / "_delta_log").glob("*.json"))
    (added,) = added_by(entry)
    statistics = json.loads(added["stats"])
    assert statistics["minValues"]["created_at"] == "0001-01-01T00:00:00.000Z"
    assert statistics["maxValues"]["created_at"] == "9999-12-31T23:59:59.999Z"
    actions = pa.table(DeltaTable(str(settings.lake_dir / "posts")).get_add_actions(flatten=True)).to_pylist()
    assert [action["min.created_at"].year for action in actions] == [1]


def test_an_edited_post_keeps_its_first_hour_after_the_seal(buffer: Buffer, settings: Settings) -> None:
    edit = post(DIDS[0], "3ka", rev=2, text="edited", time_us=NOON_US + 2 * HOUR_US, operation="update")
    drained(buffer, settings, [post(DIDS[0], "3ka", rev=1), edit])
    seal(settings, LATER)
    assert rows(settings, "SELECT text, hour FROM posts") == [{"text": "edited", "hour": "12"}]


def test_authors_of_very_many_posts_get_a_file_of_their_own(buffer: Buffer, settings: Settings) -> None:
    heavy, light = DIDS[4], [DIDS[0], DIDS[6]]
    frames = [post(heavy, f"3k{n}", rev=n) for n in range(4)] + [post(did, "3ka") for did in light]
    drained(buffer, settings, frames)
    seal(settings.model_copy(update={"heavy_author_posts": 3}), LATER)
    files = {file.partition["user_did"]: file.rows for file in live(settings, "posts")}
    assert files == {heavy: 4, "other": 2}
    assert sorted(set(values(settings, "SELECT did || user_did FROM posts"))) == sorted(
        [heavy + heavy, *(did + "other" for did in light)]
    )


@pytest.mark.parametrize(
    "did",
    ["did:web:..", "did:web:a%2F..%2F..%2Fb", "did:web:%2e%2e%2f%2e%2e", "did:web:a:..:..:b", "did:x:" + "z" * 500],
)
def test_a_hostile_did_names_no_folder_outside_the_lake(did: str, buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [post(did, f"3k{n}") for n in range(3)])
    before = outside(settings)
    seal(settings.model_copy(update={"heavy_author_posts": 1}), LATER)
    assert sorted(values(settings, "SELECT did FROM posts")) == [did] * 3
    (file,) = live(settings, "posts")
    folder = Path(file.path).resolve().parent
    assert folder.parent == settings.lake_dir / "posts" / "year=2026" / "month=07" / "day=04" / "hour=12"
    assert outside(settings) == before
    # A name that is too long for a folder shares the others' file.
    assert file.partition["user_did"] == ("other" if len(did) > 80 else did)
    assert set(values(settings, "SELECT user_did FROM posts_all")) == {file.partition["user_did"]}


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "..", "a/b", "a%2Fb", "a=b&c#d e", "a[b]*?'"])
def test_whatever_is_a_partition_is_one_folder(name: str) -> None:
    assert len(Path(folder_of({"hour": "12", "user_did": name})).parts) == 2
    assert folder_of({"user_did": name}).startswith("user_did=")


def outside(settings: Settings) -> set[Path]:
    return {path for path in settings.home.parent.rglob("*") if not path.is_relative_to(settings.home)}


def seal_in_a_child(settings: Settings, **environment: str) -> subprocess.CompletedProcess[str]:
    code = (
        "from datetime import UTC, datetime; from bluelake.core.settings import load_settings;"
        "from bluelake.lake.compaction import seal;"
        "seal(load_settings(), datetime(2026, 7, 4, 20, tzinfo=UTC))"
    )
    environment |= {"BLUELAKE_HOME": str(settings.home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(**environment), capture_output=True, text=True, check=False
    )


@pytest.mark.integration
@pytest.mark.parametrize("power_loss", [False, True], ids=["killed", "power loss"])
@pytest.mark.parametrize("point", ["before-seal-commit", "mid-seal-commit", "after-seal-commit"])
def test_killed_anywhere_the_next_seal_ends_right(
    point: str, power_loss: bool, buffer: Buffer, settings: Settings
) -> None:
    drained(buffer, settings, [like(did, "3ka") for did in DIDS], [like(did, "3kb") for did in DIDS])
    before = everything(settings, "likes")
    entry = settings.lake_dir / "likes" / "_delta_log" / f"{3:020d}.json"

    assert seal_in_a_child(settings, **{VARIABLE: point}).returncode == -9

    assert entry.exists() == (point != "before-seal-commit")
    if power_loss and point != "after-seal-commit" and entry.exists():
        entry.write_bytes(b"")
    done = seal(settings, LATER)
    assert [(hour.table, hour.rows) for hour in done] == [("likes", 14), ("replacements", 14)]
    assert everything(settings, "likes") == before
    assert len(live(settings, "likes")) == 1
    assert seal(settings, LATER) == []


@pytest.mark.integration
def test_a_drain_after_a_lost_seal_moves_it_aside(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, [like(DIDS[0], "3ka")])
    assert seal_in_a_child(settings, **{VARIABLE: "mid-seal-commit"}).returncode == -9
    (settings.lake_dir / "likes" / "_delta_log" / f"{2:020d}.json").write_bytes(b'{"comm')
    drained(buffer, settings, [like(DIDS[1], "3kb")])
    assert sorted(values(settings, "SELECT rkey FROM likes")) == ["3ka", "3kb"]


_APPEND = """
import sys
from pathlib import Path
from bluelake.lake.delta import Store
from bluelake.lake.tables import DELETES
from tests.support.rows import delete_rows
store = Store(Path(sys.argv[1]))
for flush in range(1, 101):
    assert store.append(DELETES, delete_rows(f"3k{flush}", hour=12 + flush % 2), flush, {}) is not None
"""


@pytest.mark.integration
def test_appends_beside_a_loop_of_seals_lose_no_row_and_fail_neither(lake_settings: Settings) -> None:
    store = Store(lake_settings.lake_dir)
    store.create_tables()
    child = subprocess.Popen(
        [sys.executable, "-c", _APPEND, str(lake_settings.lake_dir)],
        env=clean_environment(PYTHONPATH=str(ROOT)),
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: store.files("deletes"), what="the first append")
    beside = 0
    while child.poll() is None:
        beside += len(seal(lake_settings, LATER))
    assert child.returncode == 0, child.stderr.read() if child.stderr else ""
    child.communicate()
    assert beside > 2
    seal(lake_settings, LATER)
    found = values(lake_settings, "SELECT rkey FROM deletes_all")
    assert Counter(found) == Counter(f"3k{flush}" for flush in range(1, 101))
    assert {file.hour: 1 for file in store.files("deletes")} == Counter(file.hour for file in store.files("deletes"))


def test_two_rewrites_of_one_file_are_not_both_taken(lake_settings: Settings) -> None:
    first, second = Store(lake_settings.lake_dir), Store(lake_settings.lake_dir)
    first.create_tables()
    first.append(DELETES, delete_rows("3ka"), 1, {})
    replaced = second.files("deletes")
    assert first.replace_files(DELETES, replaced, []) is not None
    assert second.replace_files(DELETES, replaced, []) is None
    assert second.files("deletes") == ()


def test_what_a_seal_says_is_sealed_is_on_the_disk(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained(buffer, settings, [like(DIDS[0], "3ka")])
    synced: list[str] = []
    original = os.fsync

    def recording(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        original(descriptor)

    monkeypatch.setattr(os, "fsync", recording)
    seal(settings, LATER)
    (file,) = live(settings, "likes")
    entry = str(settings.lake_dir / "likes" / "_delta_log" / f"{2:020d}.json")
    state = next(path for path in synced if "_sealed.json" in path)
    assert synced.index(file.path) < synced.index(entry) < synced.index(state)
    assert read_sealed(settings.lake_dir / "likes").version == 2


def test_searches_during_seals_and_drains_never_fail(buffer: Buffer, settings: Settings) -> None:
    drained(buffer, settings, *[[post(did, f"3k{n}", text="needle") for did in DIDS] for n in range(3)])
    searcher = Searcher(Store(settings.lake_dir), settings)
    totals: list[int] = []
    sealing = threading.Event()

    def search() -> None:
        while not sealing.is_set() or not totals:
            totals.append(searcher.search(SearchQuery(text="needle")).total)

    with ThreadPoolExecutor(1) as pool:
        searching = pool.submit(search)
        try:
            for number in range(4):
                drained(buffer, settings, [post(DIDS[0], f"3knew{number}", text="needle")])
                assert {hour.table for hour in seal(settings, LATER)} == {"posts", "replacements"}
        finally:
            sealing.set()
        searching.result()
    assert totals == sorted(totals)
    assert {totals[0], totals[-1]} <= set(range(21, 26))
    assert searcher.search(SearchQuery(text="needle")).total == 25
