"""The v2 wire (`network.bsky.jetstream.subscribeEvents`): events in envelopes, and a cursor is a sequence number.

Events are put into the v1 shape, so that everything behind the ingester knows one shape. The fields that identify an event
move. Records, identities and accounts stay byte for byte. A `#sync` becomes the delete of a whole repository (collection and
rkey `*`). It supersedes every record of an earlier rev. The contract is the lexicon of that name in
https://github.com/bluesky-social/jetstream.
"""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from bluelake.core.clock import to_us
from bluelake.core.reasons import RejectReason
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
from ingest.wire_v1 import ABSENT, UNDECODABLE, asking, diagnose_commit, diagnosed, is_object, tombstone, value

LEXICON = "network.bsky.jetstream.subscribeEvents"
PATH = f"/xrpc/{LEXICON}"
SUBPROTOCOL = "xrpc.v1.json"
# A union's $type may leave out the lexicon around it.
KINDS = {
    f"{prefix}#{kind}": kind for kind in ("commit", "identity", "account", "sync", "info") for prefix in ("", LEXICON)
}
_COMMIT = f"{LEXICON}#commit"
# 2026-07-04T12:00:00.000000Z
_TIME_LENGTH = 27
_SECONDS_LENGTH = 19


class _Sync(msgspec.Struct, gc=False):
    rev: msgspec.Raw


class _Payload(msgspec.Struct, gc=False):
    """The fields of all kinds. Each kind requires its own of them."""

    kind: str = msgspec.field(name="$type")
    seq: int = -1
    did: msgspec.Raw = ABSENT
    time: str = ""
    rev: msgspec.Raw = ABSENT
    operation: Literal["create", "update", "delete"] | None = None
    collection: str = ""
    rkey: msgspec.Raw = ABSENT
    record: msgspec.Raw = ABSENT
    cid: msgspec.Raw = ABSENT
    identity: msgspec.Raw = ABSENT
    account: msgspec.Raw = ABSENT
    sync: _Sync | None = None
    name: str = ""
    message: str = ""


class _Envelope(msgspec.Struct, gc=False):
    kind: Literal["message", "error"] = msgspec.field(name="$type")
    payload: _Payload | None = None
    error: str = ""
    message: str = ""


class _Shape(msgspec.Struct, gc=False):
    """The fields that tell why a frame is no event. The rest of it is not built, however large it is."""

    kind: msgspec.Raw = msgspec.field(name="$type", default=ABSENT)
    payload: msgspec.Raw = ABSENT


class _PayloadShape(msgspec.Struct, gc=False):
    """The same for the payload of an envelope."""

    kind: msgspec.Raw = msgspec.field(name="$type", default=ABSENT)
    sync: msgspec.Raw = ABSENT


class _SyncShape(msgspec.Struct, gc=False):
    rev: msgspec.Raw = ABSENT


class WireV2:
    """Tells v2 frames apart and puts their events into the v1 shape."""

    name: WireName = "v2"
    subprotocol: str | None = SUBPROTOCOL

    def __init__(self, latest_us: int) -> None:
        self.latest_us = latest_us
        self._decode = msgspec.json.Decoder(_Envelope).decode
        self._second = ""
        self._second_us = 0

    def subscription_url(self, url: str, position: Cursor, dictionary_id: int | None) -> str:
        """`url` with the wanted collections and where to begin: the sequence number (inclusive), else the time."""
        query = [("collections", collection) for collection in WANTED_COLLECTIONS]
        query.append(("cursor", str(position.time_us if position.seq is None else position.seq)))
        if dictionary_id is not None:
            query.append(("zstdDictionary", str(dictionary_id)))
        return asking(url, query)

    def route(self, frame: bytes) -> Routed | Rejected | Notice:
        """The queue of `frame`'s event, the event in the v1 shape, its time and sequence number; or a reject or a notice."""
        try:
            envelope = self._decode(frame)
        except UNDECODABLE:
            return Rejected(diagnose(frame))
        payload = envelope.payload
        if payload is None or envelope.kind == "error":
            if envelope.kind == "error":
                return Notice(envelope.error, envelope.message, is_error=True)
            return Rejected(RejectReason.MISSING_FIELD)
        time_us = self._time_us(payload.time)
        if not EARLIEST_US <= time_us <= self.latest_us or not payload.did or payload.seq < 0:
            return self._no_event(payload, time_us)
        if payload.kind != _COMMIT and payload.kind != "#commit":
            return _route_other(payload, time_us)
        queue = QUEUE_OF_COLLECTION.get(payload.collection)
        if queue is None or payload.operation is None:
            absent = not payload.collection or payload.operation is None
            return Rejected(RejectReason.MISSING_FIELD if absent else RejectReason.UNKNOWN_COLLECTION)
        if not payload.rev or not payload.rkey:
            return Rejected(RejectReason.MISSING_FIELD)
        return ("deletes" if payload.operation == "delete" else queue), _commit(payload, time_us), time_us, payload.seq

    def _time_us(self, text: str) -> int:
        """Microseconds since 1970, or -1. Neighbours share their second, so it is parsed once."""
        second = text[:_SECONDS_LENGTH]
        if second != self._second:
            try:
                self._second_us = to_us(datetime.strptime(second, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC))
            except ValueError:
                return -1
            self._second = second
        if len(text) == _TIME_LENGTH and text[19] == "." and text[26] == "Z" and text[20:26].isdecimal():
            return self._second_us + int(text[20:26])
        try:
            return to_us(datetime.fromisoformat(text))
        except (ValueError, TypeError):
            return -1

    def _no_event(self, payload: _Payload, time_us: int) -> Rejected | Notice:
        kind = KINDS.get(payload.kind)
        if kind == "info":
            return Notice(payload.name, payload.message, is_error=False)
        if kind is None:
            return Rejected(RejectReason.UNKNOWN_KIND)
        if not payload.did or not payload.time or payload.seq < 0:
            return Rejected(RejectReason.MISSING_FIELD)
        return out_of_time(time_us, self.latest_us)


def _commit(payload: _Payload, time_us: int) -> bytes:
    record, cid = payload.record, payload.cid
    return b"".join(
        (
            b'{"did":',
            payload.did,
            b',"time_us":%d,"kind":"commit","commit":{"rev":' % time_us,
            payload.rev,
            f',"operation":"{payload.operation}","collection":"{payload.collection}","rkey":'.encode(),
            payload.rkey,
            b',"record":' if record else b"",
            record,
            b',"cid":' if cid else b"",
            cid,
            b'},"seq":%d}' % payload.seq,
        )
    )


def _route_other(payload: _Payload, time_us: int) -> Routed | Rejected | Notice:
    """The same for events of other kinds than commits."""
    kind = KINDS.get(payload.kind)
    did, seq = bytes(payload.did), payload.seq
    if kind == "info":
        return Notice(payload.name, payload.message, is_error=False)
    if kind in ("identity", "account"):
        body = bytes(payload.identity if kind == "identity" else payload.account)
        if not body:
            return Rejected(RejectReason.MISSING_FIELD)
        head = b'{"did":%b,"time_us":%d,"kind":"%b"' % (did, time_us, kind.encode())
        return "accounts", head + b',"%b":%b,"seq":%d}' % (kind.encode(), body, seq), time_us, seq
    if kind == "sync":
        if payload.sync is None:
            return Rejected(RejectReason.MISSING_FIELD)
        return "deletes", tombstone(did, time_us, bytes(payload.sync.rev), seq), time_us, seq
    return Rejected(RejectReason.UNKNOWN_KIND)


def diagnose(frame: bytes) -> RejectReason:
    """Why `frame` is neither an event in its envelope nor an error frame."""
    return diagnosed(frame, _diagnose)


def _diagnose(frame: bytes) -> RejectReason:
    shape = msgspec.json.decode(frame, type=_Shape)
    kind, payload = value(shape.kind), value(shape.payload)
    if kind is None or (kind == "message" and payload is None):
        return RejectReason.MISSING_FIELD
    if not isinstance(kind, str) or not is_object(shape.payload):
        return RejectReason.WRONG_TYPE
    if kind not in ("message", "error"):
        return RejectReason.UNKNOWN_KIND
    inner = msgspec.json.decode(shape.payload, type=_PayloadShape)
    kind = value(inner.kind)
    if kind is None or (is_object(inner.sync) and not msgspec.json.decode(inner.sync, type=_SyncShape).rev):
        return RejectReason.MISSING_FIELD
    if not isinstance(kind, str):
        return RejectReason.WRONG_TYPE
    return diagnose_commit(shape.payload) if KINDS.get(kind) == "commit" else RejectReason.WRONG_TYPE
