"""The v1 wire (`/subscribe`): frames are bare JSON objects, and a cursor is a time.

Only kind, time, operation and collection are decoded. The rest is checked for JSON syntax and left to the drain. A `sync`
becomes the delete of a whole repository, as on v2. The wire is
described at https://github.com/bluesky-social/jetstream.
"""

from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from bluelake.core.reasons import RejectReason, diagnose_syntax
from bluelake.core.watermark import Cursor
from ingest.frames import (
    EARLIEST_US,
    QUEUE_OF_COLLECTION,
    WANTED_COLLECTIONS,
    Notice,
    Rejected,
    Routed,
    WireName,
    out_of_time,
)

PATH = "/subscribe"
OPERATIONS = ("create", "update", "delete")
# Kinds of messages about the stream itself: where it is, that it lives, what it says, and why it ends.
CONTROL_KINDS = ("cursor", "heartbeat", "info", "error")
ABSENT = msgspec.Raw()
# The errors of msgspec for bytes that it refuses. It raises a plain ValueError for bytes that are no UTF-8.
UNDECODABLE = (ValueError, RecursionError)


class _Commit(msgspec.Struct, gc=False):
    operation: Literal["create", "update", "delete"]
    collection: str


class _Frame(msgspec.Struct, gc=False):
    kind: Literal["commit", "identity", "account", "sync"]
    time_us: int
    commit: _Commit | None = None


class _SyncBody(msgspec.Struct, gc=False):
    rev: msgspec.Raw = ABSENT


class _Sync(msgspec.Struct, gc=False):
    """A reset of a repository."""

    did: msgspec.Raw = ABSENT
    sync: _SyncBody | None = None


class _Control(msgspec.Struct, gc=False):
    """A message of the host about the stream. It may tell a time, and it names no account."""

    kind: str
    did: msgspec.Raw = ABSENT
    error: str = ""
    name: str = ""
    message: str = ""
    info: msgspec.Raw = ABSENT


class _Info(msgspec.Struct, gc=False):
    name: str = ""
    message: str = ""


class _Shape(msgspec.Struct, gc=False):
    """The fields that tell why a frame is no event. The rest of it is not built, however large it is."""

    kind: msgspec.Raw = ABSENT
    time_us: msgspec.Raw = ABSENT
    commit: msgspec.Raw = ABSENT


class _CommitShape(msgspec.Struct, gc=False):
    """The same for a commit."""

    operation: msgspec.Raw = ABSENT
    collection: msgspec.Raw = ABSENT


class WireV1:
    """Tells v1 frames apart; they already have the shape that the buffer holds."""

    name: WireName = "v1"
    subprotocol: str | None = None

    def __init__(self, latest_us: int) -> None:
        self.latest_us = latest_us
        self._decode = msgspec.json.Decoder(_Frame).decode

    def subscription_url(self, url: str, position: Cursor, dictionary_id: int | None) -> str:
        """`url` with the wanted collections and the time to begin at. A v1 host has one dictionary, so its id is not told."""
        query = [("wantedCollections", collection) for collection in WANTED_COLLECTIONS]
        query.append(("cursor", str(position.time_us)))
        if dictionary_id is not None:
            query.append(("compress", "true"))
        return asking(url, query)

    def route(self, frame: bytes) -> Routed | Rejected | Notice:
        """The queue of `frame` and its time; a notice; or why it is neither."""
        try:
            head = self._decode(frame)
        except UNDECODABLE:
            return _control(frame) or Rejected(diagnose(frame))
        time_us = head.time_us
        if not EARLIEST_US <= time_us <= self.latest_us:
            return out_of_time(time_us, self.latest_us)
        commit = head.commit
        if head.kind != "commit":
            return _reset(frame, time_us) if head.kind == "sync" else ("accounts", frame, time_us, None)
        if commit is None:
            return Rejected(RejectReason.MISSING_FIELD)
        queue = QUEUE_OF_COLLECTION.get(commit.collection)
        if queue is None:
            return Rejected(RejectReason.UNKNOWN_COLLECTION)
        return ("deletes" if commit.operation == "delete" else queue), frame, time_us, None


def tombstone(did: bytes, time_us: int, rev: bytes, seq: int | None = None) -> bytes:
    """The delete of every record of `did` before `rev`, which the drain knows a reset by. Both are JSON strings."""
    number = b"" if seq is None else b',"seq":%d' % seq
    return (
        b'{"did":%b,"time_us":%d,"kind":"sync","commit":{"rev":%b,"operation":"delete","collection":"*","rkey":"*"}%b}'
        % (did, time_us, rev, number)
    )


def _reset(frame: bytes, time_us: int) -> Routed | Rejected:
    """The tombstone that the `sync` in `frame` means."""
    try:
        found = msgspec.json.decode(frame, type=_Sync)
    except UNDECODABLE:
        return Rejected(RejectReason.WRONG_TYPE)
    did, sync = found.did, found.sync
    if not did or sync is None or not sync.rev:
        return Rejected(RejectReason.MISSING_FIELD)
    return "deletes", tombstone(bytes(did), time_us, bytes(sync.rev)), time_us, None


def _control(frame: bytes) -> Notice | None:
    """The message about the stream in `frame`, None where it is none."""
    try:
        found = msgspec.json.decode(frame, type=_Control)
        if found.kind not in CONTROL_KINDS or found.did:
            return None
        info = msgspec.json.decode(found.info, type=_Info) if found.info else _Info(found.name, found.message)
    except UNDECODABLE:
        return None
    if found.kind == "info":
        return Notice(info.name, info.message, is_error=False)
    return Notice(found.error or found.kind, found.message, is_error=found.kind == "error")


def asking(url: str, query: list[tuple[str, str]]) -> str:
    """`url` with `query`, which replaces parameters of the same names."""
    parts = urlsplit(url)
    names = {name for name, _ in query} | {"compress", "zstdDictionary"}
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in names]
    return urlunsplit(parts._replace(query=urlencode([*kept, *query])))


def diagnose(frame: bytes) -> RejectReason:
    """Why `frame` does not have the shape of an event."""
    return diagnosed(frame, _diagnose)


def diagnosed(frame: bytes, diagnose_object: Callable[[bytes], RejectReason]) -> RejectReason:
    """The reason that `diagnose_object` gives for the JSON object in `frame`, or why there is no object."""
    try:
        # Encoding, syntax and depth come first, whatever the shape is.
        frame.decode("utf-8")
        msgspec.json.decode(frame, type=msgspec.Raw)
        return diagnose_object(frame)
    except RecursionError:
        return RejectReason.TOO_DEEP
    except msgspec.ValidationError:
        return RejectReason.WRONG_TYPE
    except ValueError:
        return diagnose_syntax(frame)


def _diagnose(frame: bytes) -> RejectReason:
    shape = msgspec.json.decode(frame, type=_Shape)
    kind, time_us = value(shape.kind), value(shape.time_us)
    if kind is None or time_us is None:
        return RejectReason.MISSING_FIELD
    if not isinstance(kind, str) or type(time_us) is not int:
        return RejectReason.WRONG_TYPE
    if kind not in ("commit", "identity", "account", "sync"):
        return RejectReason.UNKNOWN_KIND
    return diagnose_commit(shape.commit)


def value(raw: msgspec.Raw) -> object:
    """The JSON value in `raw`, None where there is none; an object or an array as it is."""
    if not raw:
        return None
    return raw if _opens(raw) in (b"{", b"[") else msgspec.json.decode(raw)


def is_object(raw: msgspec.Raw) -> bool:
    """Whether the JSON value in `raw` is an object."""
    return _opens(raw) == b"{"


def _opens(raw: msgspec.Raw) -> bytes:
    return bytes(memoryview(raw)[:1])


def diagnose_commit(commit: msgspec.Raw) -> RejectReason:
    """Why the JSON value `commit`, which names operation and collection, was refused."""
    if not is_object(commit):
        return RejectReason.WRONG_TYPE
    shape = msgspec.json.decode(commit, type=_CommitShape)
    operation, collection = value(shape.operation), value(shape.collection)
    if operation is None or collection is None:
        return RejectReason.MISSING_FIELD
    if not isinstance(operation, str) or not isinstance(collection, str):
        return RejectReason.WRONG_TYPE
    return RejectReason.UNKNOWN_OPERATION if operation not in OPERATIONS else RejectReason.WRONG_TYPE
