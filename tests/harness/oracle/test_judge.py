"""The oracle finds each kind of difference, and takes what is right for right."""

from pathlib import Path

import pytest

from harness.errors import TruthError
from harness.oracle.deltalog import Row
from harness.oracle.judge import Verdict
from harness.oracle.truth import Again
from tests.support.frames import ANN, BOB
from tests.support.frames import NOON_US as HOUR_US
from tests.support.oracle import PORT, DeltaTable, account, delete, judge, record, row

POST, LIKE, FOLLOW = record("posts", 1), record("likes", 2), record("follows", 3, did=BOB)
TWO_HOURS_LATER_US = HOUR_US + 7_200_000_000
WHOLE = [("posts", row(POST)), ("likes", row(LIKE)), ("follows", row(FOLLOW))]


def kinds(verdict: Verdict) -> list[tuple[str, str]]:
    return [(difference.kind, difference.table) for difference in verdict.differences]


def gap(first: int, last: int, host: str = f"127.0.0.1:{PORT}") -> tuple[str, dict[str, object]]:
    return "gaps", {"from_at": HOUR_US + first * 1_000_000, "to_at": HOUR_US + last * 1_000_000, "host": host}


def test_a_lake_that_is_what_happened_has_no_difference() -> None:
    verdict = judge([POST, LIKE, FOLLOW], WHOLE)
    assert kinds(verdict) == []
    assert (verdict.events, verdict.rows) == (3, 3)


def test_one_lost_row() -> None:
    verdict = judge([POST, LIKE, FOLLOW], WHOLE[:2])
    assert ("lost", "follows") in kinds(verdict)
    assert BOB in verdict.report()


def test_one_doubled_row() -> None:
    assert ("twice", "likes") in kinds(judge([POST, LIKE, FOLLOW], [*WHOLE, ("likes", row(LIKE))], WHOLE))


def test_one_row_that_never_happened() -> None:
    assert ("foreign", "likes") in kinds(judge([POST, FOLLOW], WHOLE))


@pytest.mark.parametrize(
    "change",
    [
        {"text": "hullo"},
        {"langs": []},
        {"cid": None},
        {"created_at": HOUR_US},
        {"operation": "update"},
        {"event_at": HOUR_US + 1_000_001},
    ],
)
def test_one_wrong_column(change: dict[str, object]) -> None:
    assert ("column", "posts") in kinds(judge([POST], [("posts", row(POST, **change))]))


def test_a_row_in_another_hours_folder() -> None:
    assert ("misplaced", "posts") in kinds(judge([POST], [("posts", row(POST, hour="13"))]))


def test_a_hosts_clock_may_be_off_by_what_it_is_off_and_no_more() -> None:
    stored = [("posts", row(POST, event_at=POST["time_us"] + 2_500_000))]
    assert kinds(judge([POST], stored, offset_us=2_500_000)) == []
    assert ("column", "posts") in kinds(judge([POST], stored, offset_us=2_400_000))


def test_one_resurrected_delete() -> None:
    gone = delete("posts", 5, POST["rkey"])
    stored = [("posts", row(POST)), ("deletes", row(gone))]
    assert kinds(judge([POST, gone], stored, [])) == []
    assert kinds(judge([POST, gone], stored, [("posts", row(POST))])) == [("shown", "posts")]


def test_a_delete_with_a_lower_rev_removes_nothing_whatever_the_clocks_say() -> None:
    again = record("posts", 2, rkey="3kagain", rev=90)
    gone = delete("posts", 5, "3kagain", rev=80)
    stored = [("posts", row(again)), ("deletes", row(gone))]
    assert kinds(judge([again, gone], stored, [("posts", row(again))])) == []
    assert kinds(judge([again, gone], stored, [])) == [("hidden", "posts")]


def test_a_sync_removes_what_was_before_it() -> None:
    before, after = record("likes", 2, rev=10), record("likes", 9, rev=30)
    reset = delete("", 5, "*", rev=20, kind="sync")
    stored = [("likes", row(before)), ("likes", row(after)), ("deletes", row(reset))]
    assert kinds(judge([before, after, reset], stored, [("likes", row(after))])) == []
    assert kinds(judge([before, after, reset], stored, stored)) == [("shown", "likes")]


def test_an_update_replaces_and_keeps_the_first_time() -> None:
    edited = {**record("posts", 20, rkey=POST["rkey"], operation="update"), "text": "edited"}
    stored = [("posts", row(POST)), ("posts", row(edited))]
    right = row(edited, event_at=POST["time_us"])
    assert kinds(judge([POST, edited], stored, [("posts", right)])) == []
    assert kinds(judge([POST, edited], stored, [("posts", row(POST))])) == [("stale", "posts")]
    assert kinds(judge([POST, edited], stored, [("posts", row(edited))])) == [("stale", "posts")]


@pytest.mark.parametrize("exported", [[], ["3k1", "3k1"], ["3k1", "3k9"]])
def test_a_search_finds_what_shows_each_once(exported: list[str]) -> None:
    uris = [f"at://{ANN}/app.bsky.feed.post/{rkey}" for rkey in exported]
    assert kinds(judge([POST], WHOLE[:1], exported=uris)) == [("unfound", "posts")]
    assert kinds(judge([POST], WHOLE[:1], exported=[f"at://{ANN}/app.bsky.feed.post/3k1"])) == []


def test_accounts_hide_by_the_relays_order() -> None:
    left, came_back = account(10, "deactivated"), account(11, None)
    # The host that served the return has a clock that is behind.
    stored = [
        ("posts", row(POST)),
        ("accounts", row(left)),
        ("accounts", row(came_back, event_at=HOUR_US + 11_000_000)),
    ]
    shown = [("posts", row(POST)), ("accounts", row(came_back))]
    assert kinds(judge([POST, left, came_back], stored, shown)) == []
    assert ("hidden", "posts") in kinds(judge([POST, left, came_back], stored, shown[1:]))
    assert ("shown", "posts") in kinds(judge([POST, left], stored[:2], [("posts", row(POST)), ("accounts", row(left))]))


def test_only_what_was_deleted_may_be_purged() -> None:
    gone = delete("posts", 5, POST["rkey"])
    stored = [("deletes", row(gone))]
    assert kinds(judge([POST, gone], stored, [], purged_us=TWO_HOURS_LATER_US)) == []
    assert kinds(judge([POST, gone], stored, [])) == [("lost", "posts")]
    assert ("lost", "posts") in kinds(judge([POST], [], [], purged_us=TWO_HOURS_LATER_US))


def test_what_was_deleted_leaves_the_files_of_hours_that_had_ended() -> None:
    gone = delete("posts", 5, POST["rkey"])
    stored = [("posts", row(POST)), ("deletes", row(gone))]
    assert kinds(judge([POST, gone], stored, [], purged_us=TWO_HOURS_LATER_US)) == [("unpurged", "posts")]
    assert kinds(judge([POST, gone], stored, [])) == []
    # Nobody purges an hour that has not ended: what is deleted may be left in it, and must not be gone.
    half_past_us = HOUR_US + 1_800_000_000
    assert kinds(judge([POST, gone], stored, [], purged_us=half_past_us)) == []
    assert kinds(judge([POST, gone], stored[1:], [], purged_us=half_past_us)) == [("lost", "posts")]


def test_what_an_account_had_leaves_the_files_when_it_is_deleted_and_nothing_else() -> None:
    for status, right in (("deleted", [("unpurged", "posts")]), ("deactivated", [])):
        left = account(5, status)
        stored = [("posts", row(POST)), ("accounts", row(left))]
        shown = stored[1:]
        assert kinds(judge([POST, left], stored, shown, purged_us=TWO_HOURS_LATER_US)) == right


def test_what_no_host_served_must_be_in_a_gap() -> None:
    assert kinds(judge([POST, LIKE], WHOLE[:1], withheld=[(2, 3)])) == [("unreported", "likes")]
    verdict = judge([POST, LIKE], [*WHOLE[:1], gap(1, 4)], withheld=[(2, 3)])
    assert kinds(verdict) == []
    assert verdict.missing == 1


def test_a_gap_that_was_closed_excuses_nothing() -> None:
    open_gap = gap(1, 4)
    closed = ("gaps", {**open_gap[1], "repaired_at": HOUR_US + 60_000_000})
    assert kinds(judge([POST, LIKE], [*WHOLE[:1], open_gap, closed], withheld=[(2, 3)])) == [("unreported", "likes")]


def test_a_gap_must_contain_what_is_missing_by_the_hosts_clock() -> None:
    happened, served = [POST, LIKE], [("posts", row(POST, event_at=POST["time_us"] + 9_000_000))]
    by_base = judge(happened, [*served, gap(1, 4)], withheld=[(2, 3)], offset_us=9_000_000)
    assert kinds(by_base) == [("unreported", "likes")]
    by_host = judge(happened, [*served, gap(10, 13)], withheld=[(2, 3)], offset_us=9_000_000)
    assert kinds(by_host) == []


@pytest.mark.parametrize(
    "gaps",
    [
        [gap(39, 42, "127.0.0.1:7")],
        [gap(39, 42), gap(100, 104)],
        [gap(-9000, 42)],
        [gap(39, 9000)],
    ],
    ids=["of no host that there is", "where nothing was withheld", "from far too early on", "until far too late"],
)
def test_a_gap_must_be_about_what_was_withheld(gaps: list[tuple[str, dict[str, object]]]) -> None:
    late = record("likes", 40)
    assert kinds(judge([POST, late], [*WHOLE[:1], gap(39, 42)], withheld=[(40, 41)])) == []
    assert ("invented", "gaps") in kinds(judge([POST, late], [*WHOLE[:1], *gaps], withheld=[(40, 41)]))


def test_a_gap_stands_there_once() -> None:
    verdict = judge([POST, LIKE], [*WHOLE[:1], gap(1, 4), gap(1, 4)], withheld=[(2, 3)])
    assert kinds(verdict) == [("twice", "gaps")]


def test_what_was_refused_is_no_event_and_stands_there_once() -> None:
    reject: tuple[str, Row] = ("rejects", {"reason": "invalid_json", "raw": b"not json"})
    assert kinds(judge([POST], [*WHOLE[:1], reject], garbage=True)) == []
    assert kinds(judge([POST], [*WHOLE[:1], reject, reject], garbage=True)) == [("twice", "rejects")]
    assert kinds(judge([POST], [*WHOLE[:1], reject])) == [("foreign", "rejects")]


def test_a_post_lies_in_its_authors_folder_or_in_that_of_those_who_have_none() -> None:
    for folder, right in ((ANN, True), ("other", True), (BOB, False)):
        found = kinds(judge([POST], [("posts", row(POST, user_did=folder))]))
        assert found == ([] if right else [("misplaced", "posts")])


def test_what_an_account_wrote_after_it_came_back_is_not_purged() -> None:
    gone, back = account(5, "deleted"), account(7, None)
    later = record("posts", 9)
    accounts = [("accounts", row(gone)), ("accounts", row(back))]
    happened = [POST, gone, back, later]
    shown = [("posts", row(later)), ("accounts", row(back))]
    assert kinds(judge(happened, [*accounts, ("posts", row(later))], shown, purged_us=TWO_HOURS_LATER_US)) == []
    assert ("lost", "posts") in kinds(
        judge(happened, [*accounts, ("posts", row(POST))], shown[1:], purged_us=TWO_HOURS_LATER_US)
    )


def test_what_an_account_wrote_right_after_its_deletion_may_go_until_it_comes_back() -> None:
    gone, between, back = account(5, "deleted"), record("posts", 6), account(20, None)
    accounts = [("accounts", row(gone)), ("accounts", row(back))]
    shown = [("accounts", row(back))]
    assert kinds(judge([gone, between, back], accounts, shown, purged_us=TWO_HOURS_LATER_US)) == []
    # By the relay's order it came back before it was deleted, whatever the hosts' clocks say.
    early = {**back, "created_at": "2026-07-04T12:00:04.000Z"}
    stored = [("accounts", row(gone)), ("accounts", row(early))]
    assert kinds(judge([gone, between, early], stored, [("accounts", row(gone))], purged_us=TWO_HOURS_LATER_US)) == []


def test_a_record_made_anew_shows_twice_only_if_the_delete_between_was_not_to_be_had() -> None:
    first, again = record("likes", 1, rkey="3kagain", rev=10), record("likes", 9, rkey="3kagain", rev=30)
    reset = delete("", 5, "*", rev=20, kind="sync")
    stored = [("likes", row(first)), ("likes", row(again))]
    assert kinds(judge([first, again, reset], [*stored, gap(4, 6)], stored, withheld=[(5, 6)])) == []
    with_reset = [*stored, ("deletes", row(reset))]
    assert ("shown", "likes") in kinds(judge([first, again, reset], with_reset, stored))


def test_a_gap_excuses_nothing_that_was_served() -> None:
    assert ("lost", "likes") in kinds(judge([POST, LIKE], [*WHOLE[:1], gap(1, 4)]))


def test_the_log_says_which_files_count(tmp_path: Path) -> None:
    table = DeltaTable(tmp_path / "likes")
    assert table.rows() == []
    first = table.write("a.parquet", f"('{ANN}', '3k1', 1, 1)")
    second = table.write("b.parquet", f"('{BOB}', '3k2', 2, 2)")
    table.commit(add=[first, second])
    assert [r["rkey"] for r in table.rows()] == ["3k1", "3k2"]
    merged = table.write("c d.parquet", f"('{ANN}', '3k3', 3, 3)").replace(" ", "%20")
    table.commit(add=[merged], remove=[first])
    rows = sorted(table.rows(), key=lambda r: str(r["rkey"]))
    assert [(r["rkey"], r["event_at"], r["hour"]) for r in rows] == [
        ("3k2", HOUR_US + 2_000_000, "12"),
        ("3k3", HOUR_US + 3_000_000, "12"),
    ]


def test_a_log_that_is_not_whole_is_said(tmp_path: Path) -> None:
    table = DeltaTable(tmp_path / "likes")
    table.commit(add=["gone.parquet"])
    with pytest.raises(TruthError):
        table.rows()
    entries = sorted((table.folder / "_delta_log").iterdir())
    entries[0].unlink()
    with pytest.raises(TruthError, match="no entry 0"):
        table.rows()


def test_an_imported_time_is_the_rows_and_the_moment_decides_what_was_withheld() -> None:
    ancient = {"year": "2010", "month": "07", "day": "04", "hour": "12"}
    imported = {**POST, "time_us": 1_278_244_800_000_000, "witnessed_us": POST["time_us"]}
    assert kinds(judge([imported], [("posts", row(imported, **ancient))])) == []
    assert ("column", "posts") in kinds(judge([imported], [("posts", row(POST))]))
    second = (POST["time_us"] - HOUR_US) // 1_000_000
    assert kinds(judge([imported], [gap(second - 1, second + 1)], [], withheld=[(second, second + 1)])) == []


def test_a_row_may_have_the_time_that_a_host_told_again() -> None:
    later = row(POST, event_at=POST["time_us"] + 30_000_000)
    assert kinds(judge([POST], [("posts", later)])) == [("column", "posts")]
    again = Again(PORT, POST["time_us"] - 1_000_000, POST["time_us"] + 1, POST["time_us"] + 29_500_000)
    assert kinds(judge([POST], [("posts", later)], again=[again])) == []
    other = Again(PORT, POST["time_us"] + 1, POST["time_us"] + 2, POST["time_us"] + 29_500_000)
    assert kinds(judge([POST], [("posts", later)], again=[other])) == [("column", "posts")]
