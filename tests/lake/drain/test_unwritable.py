"""Poison: rows that cannot be written for a reason in their data are isolated, and nothing else is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import write_deltalake
from deltalake.exceptions import DeltaError

import bluelake.lake.delta.store as store_module
import bluelake.lake.drain.drainer as drain_module
import bluelake.lake.drain.parser as parse_module
from bluelake.buffer.chunks import ChunkEncoder
from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.core.watermark import Cursor
from bluelake.lake.delta import Store
from bluelake.lake.drain.drainer import drain
from bluelake.lake.errors import ParseError, RefusedError
from bluelake.lake.query import statement
from bluelake.lake.tables import TABLES
from tests.support.buffers import feed
from tests.support.faults import Killed, kill_at
from tests.support.frames import NOON_US, commit_frame, tid
from tests.support.lakes import rows, values

POISON = "did:plc:poison"
GOOD = [commit_frame(rkey=f"3k{letter}") for letter in "abcdefghijk"]
BAD = [commit_frame(did=POISON, rkey="3kbad1"), commit_frame(did=POISON, rkey="3kbad2")]


def mixed() -> list[bytes]:
    """Good frames with two bad ones among them, and a delete, a post and a frame that is no JSON."""
    others = [commit_frame(operation="delete", rkey="3kx"), commit_frame("app.bsky.feed.post", rkey="3kp"), b"junk"]
    return [*GOOD[:4], BAD[0], *GOOD[4:9], BAD[1], *GOOD[9:], *others]


def assert_isolated(settings: Settings, bad: list[bytes]) -> None:
    assert values(settings, "SELECT rkey FROM likes_all ORDER BY rkey") == [f"3k{letter}" for letter in "abcdefghijk"]
    assert values(settings, "SELECT rkey FROM posts_all") == ["3kp"]
    assert values(settings, "SELECT rkey FROM deletes_all") == ["3kx"]
    assert sorted(values(settings, "SELECT raw FROM rejects_all WHERE reason = 'unwritable'")) == sorted(bad)
    assert values(settings, "SELECT count(*) FROM rejects_all") == [len(bad) + 1]
    assert not list(settings.spill_dir.rglob("probe-*"))


def refuse(monkeypatch: pytest.MonkeyPatch, says: str, condition: Callable[[Any], bool]) -> None:
    """Let delta-rs refuse rows of which `condition` holds."""
    write = write_deltalake

    def refusing(table: Any, data: Any, **keywords: Any) -> Any:
        if condition(data):
            raise DeltaError(says)
        return write(table, data, **keywords)

    monkeypatch.setattr(store_module, "write_deltalake", refusing)


def holds_poison(data: Any) -> bool:
    return POISON in data.to_pydict().get("did", [])


def test_values_that_duckdb_dies_on(buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned = statement(parse_module.__file__, "parse_subject_record").replace(
        "make_timestamptz(j.time_us)",
        f"make_timestamptz(CASE WHEN j.did = '{POISON}' THEN 9223372036854775807 ELSE j.time_us END)",
    )
    monkeypatch.setattr(
        parse_module,
        "statement",
        lambda file, name: poisoned if name == "parse_subject_record" else statement(file, name),
    )
    feed(buffer, mixed())
    (batch,) = drain(settings)
    assert_isolated(settings, BAD)
    assert batch.rejects_by_reason == {"unwritable": 2, "not_json": 1}


def test_values_that_python_has_no_date_for(buffer: Buffer, settings: Settings) -> None:
    """The year 75,000: DuckDB and Arrow know it, the name of a partition cannot."""
    far = [commit_frame(did=POISON, rkey=f"3kfar{i}", time_us=2**61 + i) for i in range(2)]
    feed(buffer, [frame if frame not in BAD else far[BAD.index(frame)] for frame in mixed()])
    (batch,) = drain(settings)
    assert_isolated(settings, far)
    assert (batch.rows_out, batch.rejects) == (13, 3)
    assert values(settings, "SELECT rejects FROM batches_all") == [3]


def test_values_that_delta_refuses(buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "Invalid data found: value out of range", holds_poison)
    feed(buffer, mixed())
    (batch,) = drain(settings)
    assert_isolated(settings, BAD)
    assert batch.rows_by_table == {"likes": 11, "posts": 1, "deletes": 1, "rejects": 3}
    feed(buffer, mixed())
    (again,) = drain(settings)
    assert_isolated(settings, BAD)
    assert again.rows_out == 0


def test_killed_between_the_rows_and_the_rejects_nothing_is_forgotten(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        refuse(patch, "Invalid data found", holds_poison)
        feed(buffer, mixed())
        kill_at(patch, drain_module.Drain, "_select_rejects", call=1, after=False)
        with pytest.raises(Killed):
            drain(settings)
    assert values(settings, "SELECT count(*) FROM likes_all") == [11]
    assert values(settings, "SELECT count(*) FROM rejects_all") == [0]
    drain(settings)
    assert_isolated(settings, BAD)


def test_what_a_killed_run_left_out_is_rejected_by_one_that_takes_less_at_once(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        refuse(patch, "Invalid data found", holds_poison)
        for frame in mixed():
            feed(buffer, [frame])
        kill_at(patch, drain_module.Drain, "_select_rejects", call=1, after=False)
        with pytest.raises(Killed):
            drain(settings)
    monkeypatch.setattr("bluelake.lake.drain.source.MEMORY_SHARE", 1 << 20)
    drain(settings.model_copy(update={"drain_max_events": 2}))
    assert_isolated(settings, BAD)


@pytest.mark.parametrize("says", ["Generic LocalFileSystem error: No space left on device", "Invalid data found"])
def test_a_cause_that_is_not_in_the_data_fails_loudly(
    says: str, buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is written is refused: no row is at fault, not even where the message sounds like it."""
    with monkeypatch.context() as patch:
        refuse(patch, says, lambda data: True)
        feed(buffer, mixed())
        with pytest.raises(RefusedError, match=says):
            drain(settings)
    drain(settings)
    assert values(settings, "SELECT count(*) FROM likes_all") == [13]
    assert values(settings, "SELECT reason FROM rejects_all") == ["not_json"]


def test_a_disk_that_fills_up_under_the_search_makes_no_row_a_reject(
    buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        # The row that is known to be good, which has no DID, still finds room; nothing after it does.
        full = "Generic LocalFileSystem error: No space left on device"
        refuse(patch, full, lambda data: any(data.to_pydict().get("did", [])))
        feed(buffer, mixed())
        with pytest.raises(RefusedError, match="No space left"):
            drain(settings)
    drain(settings)
    assert values(settings, "SELECT count(*) FROM rejects_all") == [1]


def test_a_stored_file_that_is_broken_makes_no_row_a_reject(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, [commit_frame(rkey="3kstored")])
    drain(settings)
    (stored,) = Store(settings.lake_dir).files("likes")
    file = Path(stored.path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-6] + bytes(6))
    feed(buffer, GOOD)
    with pytest.raises(ParseError, match="DuckDB cannot work on the batch"):
        drain(settings)
    file.write_bytes(whole)
    assert values(settings, "SELECT count(*) FROM rejects_all") == [0]
    drain(settings)
    assert values(settings, "SELECT count(*) FROM likes_all") == [1 + len(GOOD)]


def test_a_notice_that_this_version_does_not_know_is_a_reject_itself(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, GOOD)
    newer = json.dumps({"reason": "of_a_newer_version", "received_us": NOON_US, "raw": "anVuaw=="}).encode()
    odd = [b'{"reason":"not_json","received_us":1e99,"raw":""}', b'{"reason":', b"\xff"]
    chunk = ChunkEncoder().encode("rejects", [newer, *odd], NOON_US, NOON_US)
    buffer.append(1, 2, "host", [chunk], {"host": Cursor(NOON_US)}, 1, "test")
    drain(settings)
    assert values(settings, "SELECT count(*) FROM likes") == [11]
    assert rows(settings, "SELECT reason, raw FROM rejects ORDER BY ALL") == [
        {"reason": "not_json", "raw": odd[1]},
        {"reason": "not_utf8", "raw": odd[2]},
        {"reason": "unwritable", "raw": b"junk"},
        {"reason": "wrong_type", "raw": odd[0]},
    ]


@pytest.mark.parametrize("digit", "cdefghijz")
def test_a_rev_above_what_63_bits_hold_costs_its_own_frame_only(digit: str, buffer: Buffer, settings: Settings) -> None:
    bad = commit_frame(rkey="3kbad").replace(tid(1000).encode(), digit.encode() + b"z" * 12)
    feed(buffer, [*GOOD, bad])
    drain(settings)
    assert rows(settings, "SELECT reason, raw FROM rejects_all") == [{"reason": "invalid_rev", "raw": bad}]
    assert values(settings, "SELECT count(*) FROM likes_all") == [11]


def test_the_greatest_rev_is_a_rev(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, [commit_frame(rkey="3ka").replace(tid(1000).encode(), b"b" + b"z" * 12)])
    drain(settings)
    assert values(settings, "SELECT rev FROM likes_all") == [2**63 - 1]


@pytest.mark.parametrize(
    ("poison", "kept"),
    [
        (b'"seq":9223372036854775808', True),
        (b'"x":1e400', True),
        (b'"x":' + b"[" * 300 + b"]" * 300, True),
        (b'"x":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000, False),
    ],
    ids=["sequence number past 63 bits", "number past a double", "nested", "nested deeply"],
)
def test_oddities_of_json_hurt_at_most_their_own_frame(
    poison: bytes, kept: bool, buffer: Buffer, settings: Settings
) -> None:
    frame = commit_frame(rkey="3kodd").replace(b'"kind"', poison + b',"kind"')
    feed(buffer, [*GOOD, frame])
    drain(settings)
    assert values(settings, "SELECT count(*) FROM likes_all") == [11 + kept]
    assert values(settings, "SELECT raw FROM rejects_all") == ([] if kept else [frame])


@pytest.mark.parametrize(
    "name", ["../../../../escape", "%2e%2e%2f%2e%2e%2fescape", "a\u0000b", "/etc/escape", "x" * 60_000, "..", ""]
)
def test_a_hostile_name_is_no_path(name: str, buffer: Buffer, settings: Settings) -> None:
    """In every place that an account or a record chooses: DID, rkey, handle, collection; whatever becomes of the frame."""
    accounts = [
        {"did": f"did:plc:{name}", "kind": "account", "account": {"active": True, "seq": 1, "status": name}},
        {"did": "did:plc:a", "kind": "identity", "identity": {"handle": name, "seq": 2}},
    ]
    before = {path for path in settings.home.parent.rglob("*") if not path.is_relative_to(settings.home)}
    feed(
        buffer,
        [
            commit_frame("app.bsky.feed.post", did=f"did:plc:{name}", rkey="3ka"),
            commit_frame("app.bsky.feed.post", rkey=name),
            commit_frame("app.bsky.feed.post", rkey=name, operation="delete"),
            *(noon_frame(frame) for frame in accounts),
            *GOOD,
        ],
    )
    drain(settings)
    assert values(settings, "SELECT count(*) FROM likes") == [11]
    assert {path for path in settings.home.parent.rglob("*") if not path.is_relative_to(settings.home)} == before
    assert not [path for path in settings.lake_dir.rglob("*") if "escape" in path.name or ".." in path.name]
    assert {path.name for path in settings.lake_dir.iterdir()} <= set(TABLES)


def noon_frame(frame: dict[str, Any]) -> bytes:
    """A frame at noon."""
    return json.dumps({"time_us": NOON_US, **frame}, ensure_ascii=False).encode()


def test_an_error_of_duckdb_that_says_nothing_of_the_data_is_none() -> None:
    assert not issubclass(duckdb.OutOfMemoryException, parse_module.UNREADABLE)
    assert not issubclass(duckdb.IOException, parse_module.UNREADABLE)
