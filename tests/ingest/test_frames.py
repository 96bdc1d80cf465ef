"""Which queue a frame goes to, and why one goes to none."""

import json

import pytest

from bluelake.core.reasons import RejectReason, diagnose_syntax
from ingest.frames import EARLIEST_US, Rejected
from ingest.wire_v1 import WireV1
from tests.support.frames import NOON_US, commit_frame

LATEST_US = NOON_US + 1_000_000


def route(frame: bytes) -> tuple[str, int] | Rejected:
    routed = WireV1(LATEST_US).route(frame)
    if isinstance(routed, Rejected):
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
        (b'{"kind":"sync","time_us":1783166400000000}', "unknown_kind"),
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
