"""Frames of the v1 wire, made by hand. Unless told otherwise they come at noon, 2026-07-04, from ANN."""

import json
from pathlib import Path
from typing import Any

import zstandard

TID_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
NOON_US = 1_783_166_400_000_000  # 2026-07-04T12:00:00Z
SECOND_US = 1_000_000
HOUR_US = 3_600_000_000
POST = "app.bsky.feed.post"
LIKE = "app.bsky.feed.like"
PROFILE = "app.bsky.actor.profile"
DIDS = [f"did:plc:{letter * 24}" for letter in "abcdefg"]
ANN, BOB = DIDS[:2]


def tid(number: int) -> str:
    """`number` as a TID."""
    return "".join(TID_ALPHABET[(number >> shift) & 31] for shift in range(60, -1, -5))


def commit_frame(
    collection: str = "app.bsky.feed.like",
    *,
    did: str = ANN,
    rkey: str = "3mptbyplj5d2a",
    rev: int = 1000,
    time_us: int = NOON_US,
    operation: str = "create",
    record: dict[str, Any] | None = None,
) -> bytes:
    """A v1 commit frame; the record defaults to one that fits the collection."""
    records: dict[str, dict[str, Any]] = {
        "app.bsky.feed.like": {"subject": {"uri": "at://did:plc:bbbb/app.bsky.feed.post/3kaaa", "cid": "bafy"}},
        "app.bsky.feed.repost": {"subject": {"uri": "at://did:plc:bbbb/app.bsky.feed.post/3kaaa", "cid": "bafy"}},
        "app.bsky.graph.follow": {"subject": "did:plc:bbbb"},
        "app.bsky.graph.block": {"subject": "did:plc:bbbb"},
        "app.bsky.feed.post": {"text": "hello", "langs": ["en"]},
        "app.bsky.actor.profile": {"displayName": "Ann"},
    }
    commit: dict[str, Any] = {"rev": tid(rev), "operation": operation, "collection": collection, "rkey": rkey}
    if operation != "delete":
        commit["record"] = {
            "$type": collection,
            "createdAt": "2026-07-04T11:59:59.500Z",
            **(records.get(collection, {}) if record is None else record),
        }
        commit["cid"] = "bafyreiexample"
    frame = {"did": did, "time_us": time_us, "kind": "commit", "commit": commit}
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()


def like(did: str, rkey: str, *, rev: int = 1, time_us: int = NOON_US) -> bytes:
    """A like."""
    return commit_frame(did=did, rkey=rkey, rev=rev, time_us=time_us)


def post(did: str, rkey: str, *, rev: int = 1, time_us: int = NOON_US, text: str = "hello", **more: Any) -> bytes:
    """A post."""
    return commit_frame(POST, did=did, rkey=rkey, rev=rev, time_us=time_us, record={"text": text}, **more)


def delete(did: str, rkey: str, *, rev: int, time_us: int = NOON_US, collection: str = POST) -> bytes:
    """A deleted record."""
    return commit_frame(collection, did=did, rkey=rkey, rev=rev, time_us=time_us, operation="delete")


def likes(*rkeys: str, time_us: int = NOON_US, rev: int = 1) -> list[bytes]:
    """A like for each key."""
    return [commit_frame(rkey=rkey, time_us=time_us, rev=rev) for rkey in rkeys]


def posts(*rkeys: str) -> list[bytes]:
    """A post for each key."""
    return [commit_frame("app.bsky.feed.post", rkey=rkey) for rkey in rkeys]


def sync(rev: int, *, hours: int = 0, did: str = ANN) -> bytes:
    """What the ingester makes of a `#sync`: the repository goes on at `rev`, and what was before is no more."""
    commit = {"rev": tid(rev), "operation": "delete", "collection": "*", "rkey": "*"}
    frame = {"did": did, "time_us": NOON_US + hours * HOUR_US, "kind": "sync", "commit": commit, "seq": 7}
    return json.dumps(frame, separators=(",", ":")).encode()


def account(
    did: str, active: bool, *, seq: int, hours: int = 0, at: str = "2026-07-04T12:00:00Z", status: str | None = None
) -> bytes:
    """An account event, `hours` after noon; `at`: the time of the account's own server."""
    body = {"active": active, "did": did, "seq": seq, "time": at, **({"status": status} if status else {})}
    frame = {"did": did, "time_us": NOON_US + hours * HOUR_US, "kind": "account", "account": body}
    return json.dumps(frame).encode()


def identity(did: str, handle: str, *, seq: int, hours: int = 0, at: str = "2026-07-04T12:00:00Z") -> bytes:
    """An account's handle, `hours` after noon; `at`: the time of the account's own server."""
    body = {"did": did, "handle": handle, "seq": seq, "time": at}
    frame = {"did": did, "time_us": NOON_US + hours * HOUR_US, "kind": "identity", "identity": body}
    return json.dumps(frame).encode()


def status(did: str, state: str, *, seq: int, at: str = "2026-07-04T12:00:00Z") -> bytes:
    """An account that is not active, and why."""
    return account(did, False, seq=seq, at=at, status=state)


def one_of_each() -> list[bytes]:
    """One of everything, over an hour's edge, with a duplicate and some that are no events."""
    likes = [commit_frame(rkey=f"3k{letter}", time_us=NOON_US + i * SECOND_US) for i, letter in enumerate("abcdef", -3)]
    return [
        *likes,
        likes[0],
        commit_frame(POST, rkey="3kp", rev=1),
        commit_frame(POST, rkey="3kp", rev=2, operation="update", record={"text": "edited"}),
        commit_frame(PROFILE, rkey="self"),
        commit_frame("app.bsky.graph.follow", rkey="3kf"),
        commit_frame("app.bsky.graph.block", rkey="3kb"),
        commit_frame("app.bsky.feed.repost", rkey="3kr"),
        commit_frame(LIKE, rkey="3kother", operation="delete", rev=9),
        account("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb", True, seq=1),
        sync(3, did="did:plc:cccccccccccccccccccccccc"),
        b"junk",
        commit_frame(rkey="../x"),
    ]


def steady(start: int, end: int) -> list[bytes]:
    """A like every 10 seconds, seconds after noon."""
    return [commit_frame(rkey=f"3k{at}", time_us=NOON_US + at * SECOND_US) for at in range(start, end + 1, 10)]


def record(path: Path, recorded: list[bytes], *, compress: bool = False) -> Path:
    """A recording of `recorded` in the file `path`, which it returns."""
    content = b"".join(frame + b"\n" for frame in recorded)
    path.write_bytes(zstandard.compress(content) if compress else content)
    return path
