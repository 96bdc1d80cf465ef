"""Exactly once: re-delivery, kills between any two steps, lost entries, a lost watermark."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
import redis as redis_client
import zstandard
from deltalake.exceptions import DeltaError

import bluelake.lake.drain.drainer as drain_module
from bluelake.buffer.client import Buffer
from bluelake.core.errors import BluelakeError, CorruptStateError
from bluelake.core.settings import Settings
from bluelake.core.status import read_status
from bluelake.core.watermark import Cursor, Watermark, read_watermark, write_watermark
from bluelake.lake.delta import Store
from bluelake.lake.drain.drainer import drain
from bluelake.lake.errors import CorruptLogError, MissingEntriesError, ParseError
from bluelake.lake.tables import TABLES
from tests.support.buffers import feed
from tests.support.faults import Killed, kill_at
from tests.support.frames import NOON_US, commit_frame, likes, posts
from tests.support.lakes import rows, values
from tests.support.redis import RedisServer

HOUR_US = 3_600_000_000


def stored(settings: Settings, table: str = "likes") -> list[str]:
    return values(settings, f"SELECT rkey FROM {table}_all ORDER BY rkey")


def test_a_drain_moves_everything_and_tells_what_it_did(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, likes("3ka", "3kb"))
    feed(buffer, [*likes("3kc"), *posts("3kp"), b"junk"])

    (batch,) = drain(settings)

    assert (batch.first_flush, batch.last_flush, batch.events_in) == (1, 2, 5)
    assert batch.rows_by_table == {"likes": 3, "posts": 1, "rejects": 1}
    assert (batch.rows_out, batch.duplicates, batch.rejects_by_reason) == (4, 0, {"not_json": 1})
    assert stored(settings) == ["3ka", "3kb", "3kc"]
    (row,) = rows(settings, "SELECT * FROM batches")
    assert (row["first_flush"], row["last_flush"], row["events_in"], row["rows_out"]) == (1, 2, 5, 4)
    assert json.loads(row["rows_by_table"]) == {"likes": 3, "posts": 1, "rejects": 1}
    assert json.loads(row["cursors"]) == {"host": {"time_us": NOON_US, "seq": None}}
    assert row["bytes_raw"] == sum(len(f) + 1 for f in [*likes("3ka", "3kb", "3kc"), *posts("3kp")])
    watermark = read_watermark(settings.watermark_path)
    assert (watermark.offered, watermark.committed, watermark.cursors) == (2, 2, {"host": Cursor(NOON_US)})
    committed = ("likes", "posts", "replacements", "rejects", "batches")
    assert watermark.versions == dict.fromkeys(TABLES, 0) | dict.fromkeys(committed, 1)
    assert list(buffer.flushes(0)) == []
    assert sum(depth.events for depth in buffer.depth().values()) == 0


def test_an_empty_buffer_is_nothing_to_do(buffer: Buffer, settings: Settings) -> None:
    assert drain(settings) == []
    assert stored(settings) == []


def test_a_long_backlog_is_taken_in_several_commits(buffer: Buffer, settings: Settings) -> None:
    for letter in "abcde":
        feed(buffer, likes(f"3k{letter}", f"3k{letter}2"))
    batches = drain(settings.model_copy(update={"drain_max_events": 4}))
    assert [(batch.first_flush, batch.last_flush) for batch in batches] == [(1, 2), (3, 4), (5, 5)]
    assert len(stored(settings)) == 10


def large(letter: str) -> bytes:
    """A post of 3 MB, which is next to nothing in Redis."""
    return commit_frame("app.bsky.feed.post", rkey=f"3k{letter}", record={"text": letter * 3_000_000})


def test_large_frames_are_taken_as_the_memory_holds_them(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of 512 MB, 8 are for frames.
    monkeypatch.setattr("bluelake.lake.drain.source.MEMORY_SHARE", 64)
    for letter in "abc":
        feed(buffer, [*likes(f"3k{letter}"), large(letter)])
    feed(buffer, [large(letter) for letter in "defg"])
    # Notices of rejects are as large as their frames.
    feed(buffer, [b"x" * 4_000_000, *likes("3kd")])
    feed(buffer, [b"y" * 4_000_000])
    assert sum(depth.size_bytes for depth in buffer.depth().values()) < 100_000

    batches = drain(settings)

    # A flush that is larger comes alone.
    assert [(batch.first_flush, batch.last_flush) for batch in batches] == [(1, 2), (3, 3), (4, 4), (5, 5), (6, 6)]
    assert [batch.events_in for batch in batches] == [4, 2, 4, 2, 1]
    assert stored(settings) == ["3ka", "3kb", "3kc", "3kd"]
    assert stored(settings, "posts") == [f"3k{letter}" for letter in "abcdefg"]
    assert values(settings, "SELECT octet_length(raw) FROM rejects") == [4_000_000] * 2
    assert list(buffer.flushes(0)) == []


def test_many_large_frames_of_one_batch_are_parsed_few_at_a_time(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, [large(letter) for letter in "abcdefghijklmnopqrst"])
    (batch,) = drain(settings)
    assert batch.rows_out == 20


def test_a_run_with_less_memory_counts_what_a_killed_one_committed_once(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for letter in "abc":
        feed(buffer, [*likes(f"3k{letter}"), large(letter)])
    with monkeypatch.context() as patch:
        kill_at(patch, Store, "append", call=1, after=True)
        with pytest.raises(Killed):
            drain(settings)

    monkeypatch.setattr("bluelake.lake.drain.source.MEMORY_SHARE", 64)
    batches = drain(settings)

    assert [batch.rows_by_table for batch in batches] == [{"likes": 0, "posts": 2}, {"likes": 3, "posts": 1}]
    assert (stored(settings), stored(settings, "posts")) == (["3ka", "3kb", "3kc"], ["3ka", "3kb", "3kc"])


def test_a_reject_counts_as_often_as_it_came_and_is_kept_once(buffer: Buffer, settings: Settings) -> None:
    invalid = commit_frame(rkey="../x")
    feed(buffer, [b"junk", *likes("3ka", "3kb", "3ka"), b"junk", invalid, b"junk", invalid])
    feed(buffer, [b"junk"])

    (batch,) = drain(settings)

    assert batch.rejects_by_reason == {"not_json": 4, "invalid_rkey": 2}
    assert sorted(values(settings, "SELECT raw FROM rejects")) == sorted([b"junk", invalid])
    (row,) = rows(settings, "SELECT * FROM batches")
    assert (row["events_in"], row["rows_out"], row["duplicates"], row["rejects"]) == (9, 2, 1, 6)
    assert json.loads(row["rejects_by_reason"]) == {"not_json": 4, "invalid_rkey": 2}
    assert json.loads(row["rows_by_table"]) == {"likes": 2, "rejects": 2}
    # What is in the lake already counts too.
    feed(buffer, [b"junk", *likes("3kc")])
    (again,) = drain(settings)
    assert (again.rows_out, again.duplicates, again.rejects) == (1, 0, 1)


def test_redelivered_events_fall_out_of_a_batch_and_of_the_lake(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, [*likes("3ka", "3kb", "3ka"), *posts("3kp"), b"junk"])
    (first,) = drain(settings)
    feed(buffer, [*likes("3ka", "3kc"), *posts("3kp"), b"junk"])
    (second,) = drain(settings)

    assert (first.duplicates, second.duplicates) == (1, 2)
    assert (first.rejects, second.rejects) == (1, 1)
    assert stored(settings) == ["3ka", "3kb", "3kc"]
    assert stored(settings, "posts") == ["3kp"]
    assert values(settings, "SELECT count(*) FROM rejects") == [1]


def test_another_hosts_copy_falls_out_across_the_hours_edge(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, likes("3ka", time_us=NOON_US - 1_000_000))
    drain(settings)
    feed(buffer, likes("3ka", time_us=NOON_US + 2_000_000))
    (batch,) = drain(settings)
    assert batch.duplicates == 1
    assert values(settings, "SELECT hour FROM likes_all") == ["11"]


def test_a_new_revision_of_a_record_is_no_duplicate(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, [*likes("3ka", rev=1), *likes("3ka", rev=2)])
    (batch,) = drain(settings)
    assert batch.duplicates == 0
    assert sorted(values(settings, "SELECT rev FROM likes_all")) == [1, 2]


def test_copies_far_apart_in_time_are_compared_by_hour(buffer: Buffer, settings: Settings) -> None:
    old, new = likes("3kold", time_us=NOON_US - 50 * HOUR_US), likes("3knew")
    feed(buffer, [*old, *new])
    drain(settings)
    feed(buffer, [*new, *old])
    (batch,) = drain(settings)
    assert batch.duplicates == 2


# Appends: 1 likes, 2 posts, 3 deletes, 4 rejects, 5 batches. Watermarks: 1 offered, 2 committed. Trims: 2 the last.
KILLS = {
    "before offered": ("write_watermark", 1, False),
    "after offered": ("write_watermark", 1, True),
    "before the first table": ("append", 1, False),
    "after the first table": ("append", 1, True),
    "between two tables": ("append", 2, True),
    "before rejects": ("append", 4, False),
    "after rejects": ("append", 4, True),
    "before the raw files": ("keep_raw", 1, False),
    "before the batch's row": ("append", 5, False),
    "after the batch's row": ("append", 5, True),
    "before committed": ("write_watermark", 2, False),
    "after committed": ("write_watermark", 2, True),
    "after the trim": ("trim", 2, True),
}


@pytest.mark.parametrize("more", [False, True], ids=["same", "more"])
@pytest.mark.parametrize("point", list(KILLS))
def test_killed_anywhere_the_next_run_does_exactly_what_is_missing(
    point: str, more: bool, buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, call, after = KILLS[point]
    delete = commit_frame(operation="delete", rkey="3kx", rev=9)
    feed(buffer, [*likes("3ka", "3kb"), *posts("3kp"), delete, b"junk"])
    owner: Any = {
        "write_watermark": drain_module,
        "append": Store,
        "keep_raw": drain_module,
        "trim": Buffer,
    }[name]
    with monkeypatch.context() as patch:
        kill_at(patch, owner, name, call=call, after=after)
        with pytest.raises(Killed):
            drain(settings)
    expected = ["3ka", "3kb"]
    if more:
        feed(buffer, [*likes("3kc", "3ka"), b"other junk"])
        expected.append("3kc")

    drain(settings)

    assert stored(settings) == expected
    assert stored(settings, "posts") == ["3kp"]
    assert stored(settings, "deletes") == ["3kx"]
    assert sorted(values(settings, "SELECT raw FROM rejects")) == [b"junk", *([b"other junk"] if more else [])]
    (total,) = rows(
        settings, "SELECT sum(events_in) AS events, sum(rows_out) AS rows, sum(rejects) AS rejects FROM batches"
    )
    assert total == {"events": 5 + 3 * more, "rows": 4 + more, "rejects": 1 + more}
    last = 2 if more else 1
    assert read_watermark(settings.watermark_path).committed == last
    assert list(buffer.flushes(0)) == []
    kept = b"".join(
        zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()
        for path in settings.raw_dir.rglob("likes-*.zst")
    )
    assert set(likes("3ka", "3kb")) <= set(kept.splitlines())


def test_an_offered_number_is_never_used_again_after_redis_lost_its_memory(
    buffer: Buffer, settings: Settings, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(buffer, [*likes("3ka"), *posts("3kp")])
    with monkeypatch.context() as patch:
        kill_at(patch, Store, "append", call=1, after=True)
        with pytest.raises(Killed):
            drain(settings)
    with redis_client.Redis(port=redis_server.port) as client:
        client.flushall()

    watermark = read_watermark(settings.watermark_path)

    assert (watermark.offered, watermark.committed) == (1, 0)


def test_a_missing_entry_stops_the_drain_before_anything_is_committed(
    buffer: Buffer, settings: Settings, redis_server: RedisServer
) -> None:
    feed(buffer, [*likes("3ka"), *posts("3kp")])
    feed(buffer, likes("3kb"))
    with redis_client.Redis(port=redis_server.port) as client:
        client.xdel("firehose:likes:queue", "2-1")

    with pytest.raises(MissingEntriesError, match=r"likes: flush 2 announced 1 events and Redis holds 0.*buffer reset"):
        drain(settings)

    assert stored(settings) == []
    assert stored(settings, "posts") == []
    assert read_watermark(settings.watermark_path).committed == 0


def test_a_missing_flush_stops_the_drain(buffer: Buffer, settings: Settings, redis_server: RedisServer) -> None:
    for letter in "abc":
        feed(buffer, likes(f"3k{letter}"))
    with redis_client.Redis(port=redis_server.port) as client:
        client.xdel("firehose:flushes", "2-1")
    with pytest.raises(MissingEntriesError, match="flush 3 continues 2"):
        drain(settings)
    assert stored(settings) == []


def test_flushes_lost_before_they_were_drained_are_noticed(
    buffer: Buffer, settings: Settings, redis_server: RedisServer
) -> None:
    feed(buffer, likes("3ka"))
    feed(buffer, likes("3kb"))
    with redis_client.Redis(port=redis_server.port) as client:
        client.xtrim("firehose:flushes", minid="2-0", approximate=False)
        client.xtrim("firehose:likes:queue", minid="2-0", approximate=False)
    with pytest.raises(MissingEntriesError, match="flush 2 continues 1"):
        drain(settings)


def test_a_lost_watermark_is_recovered_from_the_lake(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, likes("3ka"))
    drain(settings)
    settings.watermark_path.unlink()
    feed(buffer, likes("3kb"))

    drain(settings)

    assert stored(settings) == ["3ka", "3kb"]
    assert read_watermark(settings.watermark_path).committed == 2


def test_a_failed_commit_keeps_later_tables_from_being_begun(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(buffer, [*likes("3ka"), *posts("3kp"), commit_frame(operation="delete", rkey="3kx")])
    with monkeypatch.context() as patch:
        kill_at(patch, Store, "append", call=1, after=False)
        with pytest.raises(Killed):
            drain(settings)
    assert [stored(settings, table) for table in ("likes", "posts", "deletes")] == [[], [], []]


def test_a_rebuilt_watermark_knows_numbers_that_a_killed_run_used_up(
    buffer: Buffer, settings: Settings, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(buffer, likes("3ka"))
    drain(settings)
    feed(buffer, likes("3kb"))
    with monkeypatch.context() as patch:
        kill_at(patch, Store, "append", call=1, after=True)
        with pytest.raises(Killed):
            drain(settings)
    settings.watermark_path.unlink()
    with redis_client.Redis(port=redis_server.port) as client:
        client.flushall()

    drain(settings)

    assert read_watermark(settings.watermark_path).committed == 1
    assert read_watermark(settings.watermark_path).offered == 2


def test_a_watermark_that_is_ahead_of_the_lake_is_refused(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, likes("3ka"))
    drain(settings)
    write_watermark(settings.watermark_path, Watermark(5, 5, {"host": Cursor(NOON_US)}))
    with pytest.raises(CorruptStateError, match=r"the lake ends at 1.*buffer reset"):
        drain(settings)


def test_a_full_memory_makes_no_frame_a_reject(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(buffer, likes("3ka", "3kb"))

    def full(*arguments: Any) -> None:
        raise duckdb.OutOfMemoryException("could not allocate")

    with monkeypatch.context() as patch:
        patch.setattr("bluelake.lake.drain.parser._create", full)
        with pytest.raises(ParseError, match="could not allocate"):
            drain(settings)
    drain(settings)
    assert stored(settings) == ["3ka", "3kb"]
    assert values(settings, "SELECT count(*) FROM rejects_all") == [0]


@pytest.mark.parametrize("left", [None, 0, 100])
def test_a_data_file_lost_in_a_power_loss_is_noticed(left: int | None, buffer: Buffer, settings: Settings) -> None:
    feed(buffer, likes("3ka"))
    drain(settings)
    (file,) = (settings.lake_dir / "likes").rglob("*.parquet")
    if left is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(CorruptLogError, match="missing or cut off"):
        drain(settings)


def newest_log_entry(settings: Settings, table: str) -> Path:
    return sorted((settings.lake_dir / table / "_delta_log").glob("*.json"))[-1]


@pytest.mark.parametrize("content", [b"", b'{"commitInfo":{"times'])
def test_a_log_entry_cut_off_by_a_power_loss_is_refused(content: bytes, buffer: Buffer, settings: Settings) -> None:
    feed(buffer, likes("3ka"))
    drain(settings)
    newest_log_entry(settings, "likes").write_bytes(content)
    with pytest.raises(CorruptLogError, match="likes/_delta_log"):
        drain(settings)


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [
        (
            "bluelake.lake.delta.store.write_deltalake",
            "No space left",
            DeltaError("Generic LocalFileSystem error: No space left on device"),
        ),
        (
            "bluelake.lake.drain.drainer.parse",
            "No space left",
            duckdb.IOException("Could not write: No space left on device"),
        ),
        ("bluelake.lake.drain.drainer.keep_raw", "No space left", OSError(28, "No space left on device")),
    ],
)
def test_a_full_disk_is_said_and_loses_nothing(
    owner: str, name: str, error: Exception, buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(buffer, likes("3ka"))

    def full(*arguments: Any, **keywords: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(owner, full)
        with pytest.raises((BluelakeError, OSError), match=name):
            drain(settings)
    said = read_status(settings, "drain")
    assert said is not None
    assert (said.ok, said.state) == (False, "failed")
    assert name in said.message

    drain(settings)

    assert stored(settings) == ["3ka"]


def test_old_raw_files_go(buffer: Buffer, settings: Settings) -> None:
    (settings.raw_dir / "2020-01-01").mkdir(parents=True)
    feed(buffer, likes("3ka"))
    drain(settings)
    assert "2020-01-01" not in {folder.name for folder in settings.raw_dir.iterdir()}
    assert len(list(settings.raw_dir.rglob("likes-*.ndjson.zst"))) == 1


def test_what_nobody_foresaw_is_said_too(
    buffer: Buffer, lake_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("bluelake.lake.drain.drainer.Drain.run", fails)
    with pytest.raises(RuntimeError):
        drain(lake_settings)
    said = read_status(lake_settings, "drain")
    assert said is not None
    assert (said.ok, said.state, said.message) == (False, "failed", "RuntimeError")
