"""Which queue a v1 frame belongs to.

Only kind, time, operation and collection are decoded; the rest is checked for JSON syntax and left to the drain. The v1
wire is described at https://github.com/bluesky-social/jetstream.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from core.reasons import RejectReason, diagnose_syntax

QUEUE_OF_COLLECTION: dict[str, str] = {
    "app.bsky.feed.post": "posts",
    "app.bsky.feed.like": "likes",
    "app.bsky.feed.repost": "reposts",
    "app.bsky.graph.follow": "follows",
    "app.bsky.graph.block": "blocks",
    "app.bsky.actor.profile": "profiles",
}
WANTED_COLLECTIONS = tuple(QUEUE_OF_COLLECTION)
# Jetstream began in 2024; nothing on the network is older than 2022.
EARLIEST_US = 1_640_995_200_000_000


class _Commit(msgspec.Struct, gc=False):
    operation: Literal["create", "update", "delete"]
    collection: str


class _Frame(msgspec.Struct, gc=False):
    kind: Literal["commit", "identity", "account"]
    time_us: int
    commit: _Commit | None = None


@dataclass(frozen=True)
class Rejected:
    """A frame that is not an event, and why."""

    reason: RejectReason


class Router:
    """Tells frames apart. `latest_us` is the latest time that an event may claim; its owner moves it on."""

    def __init__(self, latest_us: int) -> None:
        self.latest_us = latest_us
        self._decode = msgspec.json.Decoder(_Frame).decode

    def route(self, frame: bytes) -> tuple[str, int] | Rejected:
        """The queue of `frame` and its time in microseconds since 1970, or why it is none's."""
        try:
            head = self._decode(frame)
        except (msgspec.DecodeError, RecursionError):
            return Rejected(diagnose(frame))
        time_us = head.time_us
        if not EARLIEST_US <= time_us <= self.latest_us:
            future = time_us > self.latest_us
            return Rejected(RejectReason.TIME_IN_FUTURE if future else RejectReason.TIME_OUT_OF_RANGE)
        commit = head.commit
        if head.kind != "commit":
            return "accounts", time_us
        if commit is None:
            return Rejected(RejectReason.MISSING_FIELD)
        queue = QUEUE_OF_COLLECTION.get(commit.collection)
        if queue is None:
            return Rejected(RejectReason.UNKNOWN_COLLECTION)
        return ("deletes" if commit.operation == "delete" else queue), time_us


def diagnose(frame: bytes) -> RejectReason:
    """Why `frame` does not have the shape of an event."""
    try:
        decoded = msgspec.json.decode(frame)
    except (msgspec.DecodeError, RecursionError):
        return diagnose_syntax(frame)
    if not isinstance(decoded, dict):
        return RejectReason.WRONG_TYPE
    kind, time_us = decoded.get("kind"), decoded.get("time_us")
    if kind is None or time_us is None:
        return RejectReason.MISSING_FIELD
    if not isinstance(kind, str) or type(time_us) is not int:
        return RejectReason.WRONG_TYPE
    if kind not in ("commit", "identity", "account"):
        return RejectReason.UNKNOWN_KIND
    return _diagnose_commit(decoded.get("commit"))


def _diagnose_commit(commit: object) -> RejectReason:
    if not isinstance(commit, dict):
        return RejectReason.WRONG_TYPE
    operation, collection = commit.get("operation"), commit.get("collection")
    if operation is None or collection is None:
        return RejectReason.MISSING_FIELD
    if not isinstance(operation, str) or not isinstance(collection, str):
        return RejectReason.WRONG_TYPE
    return RejectReason.UNKNOWN_OPERATION
