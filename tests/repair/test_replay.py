"""Replay: whatever is recorded comes into the lake once, however often and wherever it is killed; gaps close honestly."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bluelake.buffer.chunks import ChunkEncoder
from bluelake.buffer.client import Buffer
from bluelake.core.clock import to_us
from bluelake.core.reasons import MAX_REJECT_BYTES, RejectReason
from bluelake.core.settings import Settings
from bluelake.core.watermark import Watermark, read_watermark
from bluelake.lake.delta import Store
from bluelake.lake.drain import MAX_NOTICE_BYTES, drain
from bluelake.lake.errors import RecordingError
from bluelake.lake.query import load
from bluelake.lake.search import Searcher, SearchQuery
from bluelake.lake.tables import TABLES
from ingest.pending import Pending, reject_notice
from ingest.wire_v2 import WireV2
from repair.recordings import EVER, recording_of, recording_of_raw
from repair.replay import Replayed, replay_recording
from repair.router import Router
from tests.support.buffers import feed
from tests.support.faults import Killed, kill_at
from tests.support.frames import NOON_US, account, commit_frame, record, steady, sync, tid
from tests.support.frames import one_of_each as frames
from tests.support.gaps import found, notice
from tests.support.jetstream_host import as_v2
from tests.support.lakes import rows, values

HOUR_US = 3_600_000_000
SECOND = 1_000_000
LIKE = "app.bsky.feed.like"
POST = "app.bsky.feed.post"


def run(settings: Settings, path: Path, span: tuple[int, int] = EVER, **keywords: Any) -> Replayed:
    return replay_recording(settings, recording_of(path, span), Router(settings), **{"closes": True, **keywords})


def run_raw(settings: Settings, span: tuple[int, int] = EVER) -> Replayed:
    return replay_recording(settings, recording_of_raw(settings.raw_dir, span), Router(settings), closes=False)


def counts(settings: Settings) -> dict[str, int]:
    return {name: values(settings, f"SELECT count(*) FROM {name}_all")[0] for name in TABLES if name != "batches"}


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
def test_a_file_fills_an_empty_lake_as_a_drain_does(
    compress: bool, tmp_path: Path, buffer: Buffer, settings: Settings
) -> None:
    other = settings.model_copy(update={"bluelake_home": tmp_path / "other"})
    other.home.mkdir()
    first = run(other, record(tmp_path / "frames", frames(), compress=compress))
    # The next drain, and an ingester that finds Redis empty, know where they are.
    assert other.watermark_path.exists()
    assert read_watermark(other.watermark_path) == Watermark(versions={})
    feed(buffer, frames())
    drain(settings)
    assert counts(other) == counts(settings)
    for name in (name for name in TABLES if name not in ("batches", "rejects")):
        everything = f"SELECT * FROM {name}_all ORDER BY ALL"
        assert rows(other, everything) == rows(settings, everything), name
    reasons = "SELECT reason, raw FROM rejects ORDER BY ALL"
    assert rows(other, reasons) == rows(settings, reasons)
    assert (first.frames, first.rows_out, first.duplicates, first.rejects) == (18, 15, 1, 2)


def test_what_the_lake_has_falls_out_and_a_second_replay_changes_nothing(
    tmp_path: Path, buffer: Buffer, settings: Settings
) -> None:
    everything = frames()
    feed(buffer, [everything[0], *everything[7:9], b"junk"])
    drain(settings)
    path = record(tmp_path / "frames", everything)
    assert run(settings, path).rows_out == 15 - 3
    before = counts(settings)
    again = run(settings, path)
    assert counts(settings) == before
    assert (again.rows_out, again.rejects, again.duplicates) == (0, 0, 18)
    # And a drain of the same after it.
    feed(buffer, everything)
    (batch,) = drain(settings)
    assert batch.rows_out == 0
    assert counts(settings) == before


def test_a_copy_from_a_host_that_was_hours_behind_is_the_same_event(
    tmp_path: Path, buffer: Buffer, settings: Settings
) -> None:
    feed(buffer, [commit_frame(rkey="3ka"), commit_frame(rkey="3kb")])
    drain(settings)
    late = [
        commit_frame(rkey="3ka", time_us=NOON_US + 5 * HOUR_US),
        commit_frame(rkey="3kb", time_us=NOON_US - 7 * HOUR_US),
    ]
    assert run(settings, record(tmp_path / "frames", late)).duplicates == 2
    assert values(settings, "SELECT count(*) FROM likes_all") == [2]


def test_the_drains_numbers_are_left_alone(tmp_path: Path, buffer: Buffer, settings: Settings) -> None:
    feed(buffer, [commit_frame(rkey="3ka")])
    drain(settings)
    run(settings, record(tmp_path / "frames", frames()))
    store = Store(settings.lake_dir)
    assert [store.committed_flush(name) for name in ("likes", "posts", "rejects", "batches")] == [1, 0, 0, 1]
    assert read_watermark(settings.watermark_path).committed == 1
    feed(buffer, [commit_frame(rkey="3knew")])
    (batch,) = drain(settings)
    assert (batch.first_flush, batch.rows_by_table) == (2, {"likes": 1})


@pytest.mark.parametrize("call", [1, 2, 5, 9])
@pytest.mark.parametrize("after", [False, True])
def test_a_killed_replay_is_repeated(
    call: int, after: bool, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record(tmp_path / "frames", frames())
    with monkeypatch.context() as patch:
        kill_at(patch, Store, "append", call=call, after=after)
        with pytest.raises(Killed):
            run(settings, path)
    run(settings, path)
    assert sum(count for table, count in counts(settings).items() if table != "replacements") == 15 + 2


def test_many_pieces_are_one_recording(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repair.recordings.PIECE_BYTES", 1000)
    done: list[tuple[int, int]] = []
    result = run(
        settings, record(tmp_path / "frames", frames(), compress=True), progress=lambda *step: done.append(step)
    )
    assert (result.rows_out, result.duplicates, result.rejects) == (15, 1, 2)
    assert len(done) > 3
    assert done[-1][0] == done[-1][1] == (tmp_path / "frames").stat().st_size


def test_a_span_of_a_file(tmp_path: Path, settings: Settings) -> None:
    path = record(tmp_path / "frames", frames()[:6])
    run(settings, path, (NOON_US - 2 * SECOND, NOON_US + SECOND))
    assert values(settings, "SELECT rkey FROM likes_all ORDER BY 1") == ["3kb", "3kc", "3kd"]


def test_drained_chunks_bring_back_what_a_parser_lost(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, [*frames(), commit_frame("app.bsky.feed.generator", rkey="3kg")])
    notice(buffer, 0, 600)
    drain(settings)
    before = counts(settings)
    assert run_raw(settings).rows_out == 0
    assert counts(settings) == before
    # As if likes and rejects had been lost by a mistake.
    for name in ("likes", "rejects"):
        Store(settings.lake_dir).table(name).delete()
    result = run_raw(settings)
    assert (result.rows_by_table, result.closed) == ({"likes": 6, "rejects": 3}, [])
    assert counts(settings) == before
    assert found(settings) == [(0, 600, True)]


def test_a_span_of_drained_chunks(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, frames()[:6])
    drain(settings)
    Store(settings.lake_dir).table("likes").delete()
    run_raw(settings, (NOON_US - SECOND, NOON_US + SECOND))
    assert values(settings, "SELECT rkey FROM likes_all ORDER BY 1") == ["3kc", "3kd"]
    with pytest.raises(RecordingError, match="holds nothing of that span"):
        run_raw(settings, (NOON_US + HOUR_US, NOON_US + 2 * HOUR_US))


def events_in_envelopes() -> list[bytes]:
    """On the v2 wire: a like, a post, the delete of another like, and a reset."""
    time = "2026-07-04T12:00:00.000000Z"
    reset = {"seq": 4, "did": "did:plc:c", "time": time, "sync": {"rev": tid(3)}}
    return [
        as_v2(commit_frame(rkey="3ka"), 1),
        as_v2(commit_frame(POST, rkey="3kp"), 2),
        as_v2(commit_frame(rkey="3kb", operation="delete"), 3),
        json.dumps({"$type": "message", "payload": {"$type": "#sync", **reset}}).encode(),
    ]


def test_rejects_of_the_v2_wire_stay_what_they_were(buffer: Buffer, settings: Settings) -> None:
    sound = as_v2(commit_frame(), 1)
    odd = [
        sound.replace(b"#commit", b"#strange"),
        sound.replace(b'"rkey"', b'"key"'),
        sound.replace(b"app.bsky.feed.like", b"app.bsky.feed.generator"),
        sound.replace(b"2026-07", b"1970-07"),
        b'{"$type":"strange","payload":{}}',
        b'{"$type":"message","payload":',
    ]
    feed(buffer, odd, wire=WireV2(2**62))
    drain(settings)
    before = counts(settings)
    reasons = "SELECT reason FROM rejects ORDER BY 1"
    assert values(settings, reasons) == [
        "missing_field", "not_json", "time_out_of_range", "unknown_collection", "unknown_kind", "unknown_kind",
    ]  # fmt: skip
    assert (run_raw(settings).rejects, counts(settings)) == (0, before)


def test_a_reject_that_is_not_whole_or_cannot_be_read_stays_what_it_was(buffer: Buffer, settings: Settings) -> None:
    small = settings.model_copy(update={"max_frame_mb": 1})
    # An event but for its size, of which more in base64 than a frame may have.
    large = commit_frame(POST, record={"text": "a" * 1_000_000})
    pending = Pending()
    pending.add_notice("rejects", reject_notice(large, RejectReason.TOO_LARGE, NOON_US), NOON_US)
    pending.add_notice("rejects", {**reject_notice(b"{}", RejectReason.NOT_JSON, NOON_US), "reason": "new"}, NOON_US)
    pending.add_notice("rejects", {"raw": 5}, NOON_US)
    buffer.append(0, 1, "host", pending.chunks(ChunkEncoder(), 4), {}, 1, "test")
    drain(small)
    expected = ["too_large", "unwritable", "wrong_type"]
    assert values(small, "SELECT reason FROM rejects ORDER BY 1") == expected
    assert run_raw(small).rejects == 0
    assert values(small, "SELECT reason FROM rejects ORDER BY 1") == expected


def test_the_longest_notice_of_a_reject_can_be_read() -> None:
    notice = reject_notice(b"x" * (MAX_REJECT_BYTES + 1), max(RejectReason, key=len), 2**62)
    assert len(json.dumps(notice)) <= MAX_NOTICE_BYTES


def test_events_of_the_v2_wire_that_a_wrong_clock_refused_come_in_once(buffer: Buffer, settings: Settings) -> None:
    frames = events_in_envelopes()
    feed(buffer, frames, wire=WireV2(NOON_US - HOUR_US))
    drain(settings)
    kept = [(frame, "time_in_future") for frame in sorted(frames)]
    rejects = "SELECT raw, reason FROM rejects ORDER BY 1"
    assert [(row["raw"], row["reason"]) for row in rows(settings, rejects)] == kept
    result = run_raw(settings)
    assert (result.rows_by_table, result.rejects) == ({"likes": 1, "posts": 1, "deletes": 2}, 0)
    # The rejects stay: they say what happened.
    assert [(row["raw"], row["reason"]) for row in rows(settings, rejects)] == kept
    before = counts(settings)
    assert run_raw(settings).rows_out == 0
    # And no host brings them once more.
    feed(buffer, frames, wire=WireV2(2**62))
    (batch,) = drain(settings)
    assert (batch.rows_out, counts(settings)) == (0, before)
    assert values(settings, "SELECT rkey FROM deletes_all ORDER BY 1") == ["*", "3kb"]


def test_a_recording_of_the_v2_wire(tmp_path: Path, settings: Settings) -> None:
    notice = b'{"$type":"message","payload":{"$type":"#info","name":"OutdatedCursor","message":""}}'
    path = record(tmp_path / "frames", [*events_in_envelopes(), notice])
    assert run(settings, path).rows_by_table == {"likes": 1, "posts": 1, "deletes": 2, "rejects": 1}
    assert values(settings, "SELECT reason FROM rejects") == ["unknown_kind"]


def test_drained_chunks_that_a_drain_removes_meanwhile_are_passed_over(
    buffer: Buffer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for letter in "ab":
        feed(buffer, [commit_frame(rkey=f"3k{letter}")])
        drain(settings)
    Store(settings.lake_dir).table("likes").delete()
    recording = recording_of_raw(settings.raw_dir, EVER)
    recording.files[0].unlink()
    result = replay_recording(settings, recording, Router(settings), closes=False)
    assert result.rows_out == 1
    assert f"{recording.files[0]}: not replayed" in caplog.text
    assert values(settings, "SELECT rkey FROM likes") == ["3kb"]


def test_what_a_later_delete_covers_does_not_come_back(tmp_path: Path, buffer: Buffer, settings: Settings) -> None:
    gone, taken_down = "did:plc:gggggggggggggggggggggggg", "did:plc:tttttttttttttttttttttttt"
    feed(
        buffer,
        [
            commit_frame(rkey="3ka", operation="delete", rev=5, time_us=NOON_US + 30 * HOUR_US),
            commit_frame(POST, rkey="3kb", operation="delete", rev=5),
            account(gone, False, seq=1, status="deleted", at="2026-07-04T11:55:00Z"),
            account(taken_down, False, seq=1, status="takendown"),
        ],
    )
    drain(settings)
    recorded = [
        commit_frame(rkey="3ka", rev=4),
        commit_frame(rkey="3ka", rev=6),
        commit_frame(rkey="3kb", rev=1),
        commit_frame(rkey="3kc", did=gone),
        commit_frame(rkey="3kd", did=taken_down),
        # Long after the account was deleted: it is back, and word of that may come with the next recording.
        commit_frame(rkey="3ke", did=gone, time_us=NOON_US + HOUR_US),
    ]
    result = run(settings, record(tmp_path / "frames", recorded))
    assert result.withdrawn == 2
    assert rows(settings, "SELECT rkey, rev FROM likes_all ORDER BY ALL") == [
        {"rkey": "3ka", "rev": 6},
        {"rkey": "3kb", "rev": 1},
        {"rkey": "3kd", "rev": 1000},
        {"rkey": "3ke", "rev": 1000},
    ]


def a_post(rkey: str, text: str, rev: int, minutes: int, operation: str = "create") -> bytes:
    time_us = NOON_US + minutes * 60 * SECOND
    return commit_frame(POST, rkey=rkey, rev=rev, time_us=time_us, operation=operation, record={"text": text})


def shown(settings: Settings, start: str) -> list[list[Any]]:
    """The posts since `start` as sql, `load` and a search show them, by key."""
    span_us = to_us(datetime.fromisoformat(start))
    by_load = load("posts", start, settings=settings).select("rkey", "text").collect().rows()
    found = Searcher(Store(settings.lake_dir), settings).search(SearchQuery(text="hello", start_us=span_us)).posts
    by_sql = rows(settings, f"SELECT rkey, text FROM posts WHERE event_at >= '{start}'")
    return [
        sorted((row["rkey"], row["text"]) for row in by_sql),
        sorted(by_load),
        sorted((post.rkey, post.text) for post in found),
    ]


@pytest.mark.parametrize("deletions", ["purge", "keep"])
def test_what_comes_far_behind_what_supersedes_it_is_shown_by_no_reader(
    deletions: str, tmp_path: Path, buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A group each hour, so that every one is looked up by itself.
    monkeypatch.setattr("bluelake.lake.search.scan.FIRST_GROUP_ROWS", 1)
    settings = settings.model_copy(update={"bluelake_deletions": deletions})
    again = "did:plc:rrrrrrrrrrrrrrrrrrrrrrrr"
    feed(
        buffer,
        [
            sync(9, did=again),
            a_post("3kb", "hello edited", 9, 0, "update"),
            commit_frame(POST, rkey="3kc", rev=9, operation="delete"),
            commit_frame(POST, rkey="3kd", rev=9, operation="delete"),
            commit_frame("app.bsky.actor.profile", rkey="self", rev=9),
        ],
    )
    drain(settings)
    recorded = [
        commit_frame(POST, did=again, rkey="3ka", rev=5, time_us=NOON_US + 2 * HOUR_US),
        a_post("3kb", "hello old text", 5, 120),
        a_post("3kc", "hello deleted", 5, 120),
        # 14 minutes are what two hosts may be apart.
        a_post("3kd", "hello deleted", 5, 14),
        a_post("3ke", "hello before", 5, 120),
        a_post("3ke", "hello after", 9, 60, "update"),
        a_post("3kf", "hello there", 5, 120),
        a_post("3kg", "hello first", 5, 120),
        a_post("3kg", "hello last", 9, 121, "update"),
        commit_frame("app.bsky.actor.profile", rkey="self", rev=5, time_us=NOON_US + 2 * HOUR_US),
    ]
    path = record(tmp_path / "frames", recorded)
    kept = deletions == "keep"
    # Of ten: the first three, the fifth and the profile; where deletes purge, 3kd too.
    assert run(settings, path).withdrawn == (5 if kept else 6)
    stored = values(settings, "SELECT rkey FROM posts_all ORDER BY rkey, rev")
    assert stored == ["3kb", *(["3kd"] if kept else []), "3ke", "3kf", "3kg", "3kg"]
    assert values(settings, "SELECT rev FROM profiles_all") == [9]
    edited, after = ("3kb", "hello edited"), ("3ke", "hello after")
    late = [("3kf", "hello there"), ("3kg", "hello last")]
    for start, expected in {
        "2026-07-04T11:00:00+00:00": [edited, after, *late],
        "2026-07-04T12:10:00+00:00": [after, *late],
        "2026-07-04T13:30:00+00:00": late,
        "2026-07-04T14:00:00+00:00": late,
        "2026-07-04T14:00:30+00:00": [],
    }.items():
        assert shown(settings, start) == [expected] * 3, start
    before = counts(settings)
    assert run(settings, path).rows_out == 0
    assert counts(settings) == before


@pytest.mark.parametrize("piece_bytes", [1, 1 << 20], ids=["a piece each", "one piece"])
def test_an_account_that_comes_back_later_in_the_recording_is_back_from_its_beginning(
    piece_bytes: int, tmp_path: Path, buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repair.recordings.PIECE_BYTES", piece_bytes)
    did = "did:plc:gggggggggggggggggggggggg"
    feed(buffer, [account(did, False, seq=1, status="deleted", at="2026-07-04T11:55:00Z")])
    drain(settings)
    back = account(did, True, seq=2, at="2026-07-04T11:59:00Z")
    path = record(tmp_path / "frames", [commit_frame(rkey="3ka", did=did), commit_frame(rkey="3kb", did=did), back])
    first, second = run(settings, path), run(settings, path)
    assert (first.rows_out, first.withdrawn) == (3, 0)
    assert (second.rows_out, second.withdrawn, second.duplicates) == (0, 0, 3)
    assert values(settings, "SELECT rkey FROM likes ORDER BY 1") == ["3ka", "3kb"]


@pytest.mark.parametrize(
    ("recorded", "open_"),
    [
        (steady(-30, 630), []),
        (steady(0, 300), [(290, 600, True)]),
        (steady(-30, 200) + steady(400, 630), [(190, 410, True)]),
        (steady(-30, 580), [(570, 600, True)]),
        (steady(-3600, 0) + steady(600, 3600), [(0, 600, True)]),
        (steady(3600, 7200), [(0, 600, True)]),
    ],
    ids=["all of it", "its first half", "with a hole", "all but its last seconds", "all but it", "another hour"],
)
def test_a_recording_closes_what_it_really_holds(
    recorded: list[bytes], open_: list[Any], tmp_path: Path, buffer: Buffer, settings: Settings
) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    path = record(tmp_path / "frames", recorded)
    assert run(settings, path, closes=False).closed == []
    assert found(settings) == [(0, 600, True)]
    result = run(settings, path)
    assert [gap for gap in found(settings) if gap[2]] == open_
    assert len(result.closed) == (open_ == [])
    state = found(settings)
    assert run(settings, path).closed == []
    assert found(settings) == state


def test_whoever_vouches_for_a_span_closes_it(tmp_path: Path, buffer: Buffer, settings: Settings) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    span = (NOON_US - SECOND, NOON_US + 601 * SECOND)
    run(settings, record(tmp_path / "frames", steady(100, 100)), span, vouched_span=span)
    assert found(settings) == [(0, 600, False)]


def test_a_damaged_recording_is_replayed_up_to_the_damage(tmp_path: Path, settings: Settings) -> None:
    path = record(tmp_path / "frames.zst", steady(0, 10_000), compress=True)
    path.write_bytes(path.read_bytes() + b"this is no zstd frame")
    with pytest.raises(RecordingError, match=r"frames\.zst: damaged after line \d+"):
        run(settings, path)
    assert 700 < values(settings, "SELECT count(*) FROM likes_all")[0] <= 1001
    with pytest.raises(RecordingError, match="no such file"):
        run(settings, tmp_path / "none")


def test_a_line_without_an_end_is_a_reject_and_not_the_end(tmp_path: Path, settings: Settings) -> None:
    small = settings.model_copy(update={"max_frame_mb": 1})
    path = tmp_path / "frames"
    path.write_bytes(b"x" * (5 << 20) + b"\n\r\n\n" + commit_frame(rkey="3ka") + b"\n" + commit_frame(rkey="3kb")[:-9])
    result = run(small, path)
    assert (result.rows_out, result.rejects) == (1, 2)
    assert values(small, "SELECT reason FROM rejects ORDER BY 1") == ["not_json", "too_large"]
    assert run(small, path).rejects == 0


def test_a_reset_that_somebody_made_up_is_looked_at(tmp_path: Path, settings: Settings) -> None:
    odd = [
        json.dumps({"kind": "sync", "time_us": 5}).encode(),
        json.dumps({"kind": "sync", "time_us": NOON_US}).encode(),
    ]
    result = run(settings, record(tmp_path / "frames", [*odd, sync(4)]))
    assert result.rows_by_table == {"deletes": 1, "rejects": 2}
