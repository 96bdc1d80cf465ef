"""Which queue a frame goes to, and why one goes to none."""

import json

import pytest

from bluelake.core.reasons import RejectReason, diagnose_syntax
from ingest.frames import EARLIEST_US, Notice, Rejected
from ingest.wire_v1 import WireV1
from tests.support.frames import NOON_US, commit_frame

LATEST_US = NOON_US + 1_000_000


def route(frame: bytes) -> tuple[str, int] | Rejected | Notice:
    routed = WireV1(LATEST_US).route(frame)
    if not isinstance(routed, tuple):
        return routed
    queue, stored, time_us, seq = routed
    assert (stored, seq) == (frame, None)
    return queue, time_us


@pytest.mark.parametrize(
    ("collection", "queue"),
    [
        ("app.bsky.feed.post", "posts"),
        ("app.bsky.feed.like", "likes"),
        ("app.bsky.feed.repost", "reposts"),
        ("app.bsky.graph.follow", "follows"),
        ("app.bsky.graph.block", "blocks"),
        ("app.bsky.actor.profile", "profiles"),
    ],
)
def test_records_go_to_their_collections_queue_and_deletes_to_one(collection: str, queue: str) -> None:
    assert route(commit_frame(collection)) == (queue, NOON_US)
    assert route(commit_frame(collection, operation="update")) == (queue, NOON_US)
    assert route(commit_frame(collection, operation="delete")) == ("deletes", NOON_US)


@pytest.mark.parametrize("kind", ["identity", "account"])
def test_identity_and_account_events_share_a_queue(kind: str) -> None:
    frame = {"did": "did:plc:a", "time_us": NOON_US, "kind": kind, kind: {"did": "did:plc:a", "seq": 1}}
    assert route(json.dumps(frame).encode()) == ("accounts", NOON_US)


def test_a_sync_is_the_delete_of_a_whole_repository() -> None:
    frame = (
        b'{"did":"did:plc:a","time_us":1783166400000000,"kind":"sync",'
        b'"sync":{"blocks":{"$bytes":"Oq"},"did":"did:plc:a","rev":"3n3e7osxz242b","seq":5,"time":"2026-07-04T12:00:00Z"}}'
    )
    tombstone = (
        b'{"did":"did:plc:a","time_us":1783166400000000,"kind":"sync",'
        b'"commit":{"rev":"3n3e7osxz242b","operation":"delete","collection":"*","rkey":"*"}}'
    )
    assert WireV1(LATEST_US).route(frame) == ("deletes", tombstone, NOON_US, None)


@pytest.mark.parametrize(
    ("frame", "notice"),
    [
        (b'{"time_us":1783166400000000,"kind":"cursor"}', Notice("cursor", "", is_error=False)),
        (b'{"kind":"cursor"}', Notice("cursor", "", is_error=False)),
        (b'{"kind":"heartbeat","payload":"7"}', Notice("heartbeat", "", is_error=False)),
        (
            b'{"kind":"info","info":{"name":"OutdatedCursor","message":"x"}}',
            Notice("OutdatedCursor", "x", is_error=False),
        ),
        (b'{"kind":"info","name":"OutdatedCursor"}', Notice("OutdatedCursor", "", is_error=False)),
        (
            b'{"kind":"error","error":"ConsumerTooSlow","message":"x","time_us":1783166400000000}',
            Notice("ConsumerTooSlow", "x", is_error=True),
        ),
    ],
)
def test_a_message_about_the_stream_is_no_reject(frame: bytes, notice: Notice) -> None:
    assert route(frame) == notice


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"hello", "not_json"),
        (b'{"did":"did:plc:a","time_us":1783166400000000,"kind":"commit"', "not_json"),
        (b'{"kind":"commit","time_us":1783166400000000,"x":"\x00"}', "not_json"),
        (b"[]", "wrong_type"),
        (b"null", "wrong_type"),
        (b'"text"', "wrong_type"),
        (b"{}", "missing_field"),
        (b'{"kind":"commit"}', "missing_field"),
        (b'{"time_us":1783166400000000}', "missing_field"),
        (b'{"kind":"commit","time_us":1783166400000000}', "missing_field"),
        (b'{"kind":7,"time_us":1783166400000000}', "wrong_type"),
        (b'{"kind":"commit","time_us":"1783166400000000"}', "wrong_type"),
        (b'{"kind":"commit","time_us":1.5}', "wrong_type"),
        (b'{"kind":"commit","time_us":true}', "wrong_type"),
        (b'{"kind":"commit","time_us":1783166400000000,"commit":7}', "wrong_type"),
        (b'{"kind":"commit","time_us":1783166400000000,"commit":{"operation":"create"}}', "missing_field"),
        (b'{"kind":"handle","time_us":1783166400000000}', "unknown_kind"),
        (b'{"kind":"cursor","did":"did:plc:a","time_us":1783166400000000}', "unknown_kind"),
        (b'{"kind":"sync","time_us":1783166400000000}', "missing_field"),
        (b'{"did":"did:plc:a","kind":"sync","time_us":1783166400000000}', "missing_field"),
        (b'{"did":"did:plc:a","kind":"sync","time_us":1783166400000000,"sync":{}}', "missing_field"),
        (b'{"kind":"sync","time_us":1783166400000000,"sync":{"rev":"3k"}}', "missing_field"),
        (b'{"did":"did:plc:a","kind":"sync","time_us":1783166400000000,"sync":7}', "wrong_type"),
        (b'{"did":"did:plc:a","kind":"sync","time_us":1,"sync":{"rev":"3k"}}', "time_out_of_range"),
        (
            b'{"kind":"commit","time_us":1783166400000000,"commit":{"operation":"merge",'
            b'"collection":"app.bsky.feed.post"}}',
            "unknown_operation",
        ),
        (commit_frame("fm.teal.alpha.actor.status"), "unknown_collection"),
        (commit_frame(time_us=LATEST_US + 1), "time_in_future"),
        (commit_frame(time_us=10**30), "time_in_future"),
        (commit_frame(time_us=EARLIEST_US - 1), "time_out_of_range"),
        (commit_frame(time_us=-1), "time_out_of_range"),
        (b"[" * 100_000, "too_deep"),
        (commit_frame().replace(b'"createdAt"', b'"x":' + b"[" * 5_000 + b"]" * 5_000 + b',"createdAt"'), "too_deep"),
    ],
)
def test_what_is_wrong_with_a_frame(frame: bytes, reason: str) -> None:
    assert route(frame) == Rejected(RejectReason(reason))


def test_the_edges_of_time_belong_to_it() -> None:
    assert route(commit_frame(time_us=LATEST_US)) == ("likes", LATEST_US)
    assert route(commit_frame(time_us=EARLIEST_US)) == ("likes", EARLIEST_US)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b'{"a":"\\ud800"}', RejectReason.LONE_SURROGATE),
        (b'{"a":"\\ud83d\\ude00"}', RejectReason.NOT_JSON),
        (b'{"a":"\xff"}', RejectReason.NOT_UTF8),
        (b"{", RejectReason.NOT_JSON),
    ],
)
def test_why_text_cannot_be_stored(frame: bytes, reason: RejectReason) -> None:
    assert diagnose_syntax(frame) is reason


def test_every_real_frame_finds_its_queue(real_frames: list[bytes]) -> None:
    router = WireV1(2**62)
    found = [router.route(frame) for frame in real_frames]
    counts: dict[object, int] = {}
    for routed in found:
        assert not isinstance(routed, Notice)
        name = routed[0] if isinstance(routed, tuple) else routed.reason.value
        counts[name] = counts.get(name, 0) + 1
    # Counted by hand with grep and wc.
    assert counts == {
        "likes": 69,
        "reposts": 11,
        "posts": 10,
        "follows": 5,
        "deletes": 3,
        "blocks": 1,
        "unknown_collection": 1,
    }
