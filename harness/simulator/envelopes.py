"""The frames of Jetstream v2, made from v1's parts: `network.bsky.jetstream.subscribeEvents` in `xrpc.v1.json` framing.

The record's bytes are the same on both wires.
"""

import json
import re
from collections.abc import Sequence

from harness.simulator.blocks import Block, websocket_frame
from harness.simulator.moments import with_microseconds
from harness.simulator.wires import Chunk, Pack, places

EVENTS_NSID = "network.bsky.jetstream.subscribeEvents"
SUBPROTOCOL = "xrpc.v1.json"
KINDS = frozenset({"commit", "identity", "account", "sync"})

_PARTS = re.compile(
    rb'\{"did":"(?P<did>[^"\\]*)","time_us":(?P<time>-?\d+),"kind":"(?P<kind>commit|identity|account|sync)","(?P=kind)":\{'
)


def envelope(frame: bytes, seq: int, offset_us: int = 0) -> tuple[str, bytes] | None:
    """The kind and the v2 form of a v1 frame; None where it is not shaped as Jetstream's are."""
    found = _PARTS.match(frame)
    if found is None or not frame.endswith(b"}}"):
        return None
    did, time_us, kind = found.groups()
    try:
        time = with_microseconds(int(time_us) + offset_us).encode()
    except ValueError:
        return None
    body = frame[found.end() : -2]
    payload = body if kind == b"commit" else b'"%b":{%b}' % (kind, body)
    return kind.decode(), (
        b'{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#%b","seq":%d,"did":"%b","time":"%b",%b}}'
        % (kind, seq, did, time, payload)
    )


def outdated_cursor(seq: int) -> bytes:
    """The notice that comes first where a time cursor was moved up."""
    payload = {
        "$type": f"{EVENTS_NSID}#info",
        "name": "OutdatedCursor",
        "message": f"the cursor is older than what is here; resuming from seq {seq}",
    }
    return json.dumps({"$type": "message", "payload": payload}, separators=(",", ":")).encode()


class EnvelopeWire:
    """v2. first_seq: the number of the timeline's first event. kinds: wanted ones; empty: all. most_bytes: of a frame; 0: any."""

    def __init__(
        self,
        offset_us: int,
        first_seq: int,
        kinds: frozenset[str] = frozenset(),
        most_bytes: int = 0,
        pack: Pack = websocket_frame,
    ) -> None:
        self._offset_us = offset_us
        self._first_seq = first_seq
        self._kinds = kinds
        self._most_bytes = most_bytes
        self._pack = pack

    def encode(self, block: Block, first: int, runs: Sequence[tuple[int, int]]) -> Chunk:
        """A line of a file that is not shaped as Jetstream's goes out as it is."""
        pack, kinds, most_bytes, offset_us = self._pack, self._kinds, self._most_bytes, self._offset_us
        seq = self._first_seq + first
        chosen = []
        for place in places(runs):
            frame = block.payload(place)
            found = envelope(frame, seq + place, offset_us)
            if found is not None:
                if kinds and found[0] not in kinds:
                    continue
                frame = found[1]
            if not most_bytes or len(frame) <= most_bytes:
                chosen.append(pack(frame))
        return b"".join(chosen)

    def payload(self, frame: bytes, index: int) -> bytes:
        """The frame in its envelope, whatever its kind and size."""
        found = envelope(frame, self._first_seq + index, self._offset_us)
        return frame if found is None else found[1]

    def message(self, payload: bytes) -> bytes:
        """Packed as all others, in no envelope."""
        return self._pack(payload)

    def error(self, name: str) -> bytes | None:
        """An error frame."""
        return json.dumps({"$type": "error", "error": name, "message": "on demand"}, separators=(",", ":")).encode()
