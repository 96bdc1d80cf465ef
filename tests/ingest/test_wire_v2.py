"""The v2 wire: envelopes, the v1 shape that they are put into, and what is wrong with a frame."""

import json
from typing import Any

import pytest

from bluelake.core.reasons import RejectReason
from bluelake.core.watermark import Cursor
from ingest.frames import EARLIEST_US, Notice, Rejected, Routed
from ingest.wire_v2 import WireV2
from tests.support.frames import NOON_US, commit_frame
from tests.support.jetstream_host import as_v2

LEXICON = "network.bsky.jetstream.subscribeEvents"
LATEST_US = NOON_US + 1_000_000
TIME = "2026-07-04T12:00:00.000000Z"
COMMIT = {
    "seq": 7,
    "did": "did:plc:a",
    "time": TIME,
    "rev": "3k",
    "operation": "create",
    "collection": "app.bsky.feed.like",
    "rkey": "3m",
    "record": {},
    "cid": "bafy",
}


def message(kind: str, **body: Any) -> bytes:
    payload = {"$type": f"{LEXICON}#{kind}", **body}
    return json.dumps({"$type": "message", "payload": payload}, separators=(",", ":")).encode()


def route(frame: bytes) -> Routed | Rejected | Notice:
    return WireV2(LATEST_US).route(frame)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in COMMIT.items() if key != name}


def test_an_event_is_put_into_the_v1_shape_with_its_record_byte_for_byte() -> None:
    record = rb'{ "$type":"app.bsky.feed.like","n":1.50, "text":"\u00e4\/" }'
    frame = (
        b'{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#commit","seq":12,'
        b'"did":"did:plc:a","time":"2026-07-04T12:00:00.123456Z","rev":"3k","operation":"update",'
        b'"collection":"app.bsky.feed.like","rkey":"a\\"b","record":' + record + b',"cid":"bafy"}}'
    )
    assert route(frame) == (
        "likes",
        b'{"did":"did:plc:a","time_us":1783166400123456,"kind":"commit","commit":{"rev":"3k","operation":"update",'
        b'"collection":"app.bsky.feed.like","rkey":"a\\"b","record":' + record + b',"cid":"bafy"},"seq":12}',
        NOON_US + 123_456,
        12,
    )


@pytest.mark.parametrize("operation", ["create", "update", "delete"])
def test_it_is_what_v1_serves_of_the_same_event(operation: str) -> None:
    frame = commit_frame("app.bsky.feed.post", operation=operation)
    routed = route(as_v2(frame, 5))
    assert isinstance(routed, tuple)
    queue, stored, time_us, seq = routed
    assert (queue, time_us, seq) == ("deletes" if operation == "delete" else "posts", NOON_US, 5)
    assert json.loads(stored) == {**json.loads(frame), "seq": 5}


@pytest.mark.parametrize("kind", ["identity", "account"])
def test_identities_and_accounts_keep_the_relays_event(kind: str) -> None:
    upstream = b'{"did":"did:plc:a", "seq":99,"time":"2026-07-04T11:00:00Z"}'
    frame = message(kind, seq=7, did="did:plc:a", time=TIME, **{kind: "HERE"}).replace(b'"HERE"', upstream)
    stored = b'{"did":"did:plc:a","time_us":%d,"kind":"%b","%b":%b,"seq":7}'
    assert route(frame) == ("accounts", stored % (NOON_US, kind.encode(), kind.encode(), upstream), NOON_US, 7)


def test_a_sync_is_the_delete_of_a_whole_repository() -> None:
    frame = message("sync", seq=8, did="did:plc:a", time=TIME, sync={"did": "did:plc:a", "rev": "3kz", "seq": 5})
    routed = route(frame)
    assert isinstance(routed, tuple)
    assert routed[0] == "deletes"
    assert json.loads(routed[1]) == {
        "did": "did:plc:a",
        "time_us": NOON_US,
        "kind": "sync",
        "commit": {"rev": "3kz", "operation": "delete", "collection": "*", "rkey": "*"},
        "seq": 8,
    }


def test_a_host_speaks_of_the_stream_itself() -> None:
    assert route(message("info", name="OutdatedCursor", message="from 3")) == Notice("OutdatedCursor", "from 3", False)
    error = b'{"$type":"error","error":"ConsumerTooSlow","message":"go away"}'
    assert route(error) == Notice("ConsumerTooSlow", "go away", True)


@pytest.mark.parametrize(
    ("time", "microseconds"),
    [
        (TIME, 0),
        ("2026-07-04T12:00:00.999999Z", 999_999),
        ("2026-07-04T12:00:00.5Z", 500_000),
        ("2026-07-04T12:00:00Z", 0),
        ("2026-07-04T14:00:00.000001+02:00", 1),
    ],
)
def test_times(time: str, microseconds: int) -> None:
    routed = route(message("commit", **{**COMMIT, "time": time}))
    assert isinstance(routed, tuple)
    assert routed[2] == NOON_US + microseconds


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"[]", "wrong_type"),
        (b'{"$type":"message"}', "missing_field"),
        (b'{"payload":{}}', "missing_field"),
        (b'{"$type":7,"payload":{}}', "wrong_type"),
        (b'{"$type":"message","payload":7}', "wrong_type"),
        (b'{"$type":"message","payload":{}}', "missing_field"),
        (b'{"$type":"other","payload":{}}', "unknown_kind"),
        (b"[" * 100_000, "too_deep"),
        (message("other", **COMMIT), "unknown_kind"),
        (message("commit", **without("seq")), "missing_field"),
        (message("commit", **without("did")), "missing_field"),
        (message("commit", **without("time")), "missing_field"),
        (message("commit", **without("rev")), "missing_field"),
        (message("commit", **without("rkey")), "missing_field"),
        (message("commit", **without("operation")), "missing_field"),
        (message("commit", **without("collection")), "missing_field"),
        (message("commit", **{**COMMIT, "seq": "7"}), "wrong_type"),
        (message("commit", **{**COMMIT, "seq": 1.5}), "wrong_type"),
        (message("commit", **{**COMMIT, "operation": "merge"}), "unknown_operation"),
        (message("commit", **{**COMMIT, "collection": "fm.teal.alpha"}), "unknown_collection"),
        (message("commit", **{**COMMIT, "time": "yesterday"}), "time_out_of_range"),
        (message("commit", **{**COMMIT, "time": "2026-07-04T12:00:00.12345xZ"}), "time_out_of_range"),
        (message("commit", **{**COMMIT, "time": "2026-07-04T12:00:00"}), "time_out_of_range"),
        (message("commit", **{**COMMIT, "time": "1970-07-04T12:00:00.000000Z"}), "time_out_of_range"),
        (message("commit", **{**COMMIT, "time": "2026-07-04T12:00:01.000001Z"}), "time_in_future"),
        (message("identity", seq=7, did="did:plc:a", time=TIME), "missing_field"),
        (message("sync", seq=7, did="did:plc:a", time=TIME), "missing_field"),
        (message("sync", seq=7, did="did:plc:a", time=TIME, sync={}), "missing_field"),
    ],
)
def test_what_is_wrong_with_a_frame(frame: bytes, reason: str) -> None:
    assert route(frame) == Rejected(RejectReason(reason))


def test_it_is_asked_by_sequence_number_else_by_time() -> None:
    wire = WireV2(LATEST_US)
    url = f"wss://host.example/xrpc/{LEXICON}?cursor=1&dids=did:plc:a"
    by_seq = wire.subscription_url(url, Cursor(EARLIEST_US, 77), 5)
    by_time = wire.subscription_url(url, Cursor(EARLIEST_US), None)
    assert by_seq.endswith("&cursor=77&zstdDictionary=5")
    assert by_time.endswith(f"&cursor={EARLIEST_US}")
    assert "dids=did%3Aplc%3Aa&collections=app.bsky.feed.post&" in by_time
    assert "cursor=1&" not in by_time


def test_every_real_frame_comes_out_as_it_is_on_v1(real_frames: list[bytes]) -> None:
    wire = WireV2(2**62)
    for number, frame in enumerate(real_frames):
        routed = wire.route(as_v2(frame, number))
        if isinstance(routed, tuple):
            assert json.loads(routed[1]) == {**json.loads(frame), "seq": number}
        else:
            assert routed == Rejected(RejectReason.UNKNOWN_COLLECTION)
