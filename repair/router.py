"""Where a recorded frame belongs, as the ingester sees it: the lake asks no room but this one."""

import msgspec

from bluelake.core.clock import now_us
from bluelake.core.reasons import RejectReason
from bluelake.core.settings import Settings
from ingest.frames import EARLIEST_US, Notice, Rejected, Routed, WireName
from ingest.wire_v1 import ABSENT, UNDECODABLE, WireV1
from ingest.wire_v2 import WireV2
from repair.recordings import Place, Placed


class _Head(msgspec.Struct):
    """What tells a reset and an envelope of the v2 wire from other frames that are no events of the v1 wire."""

    kind: str = ""
    time_us: int = 0
    type: str = msgspec.field(name="$type", default="")
    payload: msgspec.Raw = ABSENT


def placer(settings: Settings, wire: WireName | None = None) -> Place:
    """A function that tells the queue of a frame, it in the v1 shape and its time, or why it is no event.

    `wire`: v2 where all frames are known to be of it; else each tells by itself. Beside what a host sends on either wire there
    are the ingester's own resets of a repository (kind `sync`), which only a recording of somebody's can hold.
    """
    latest_us = now_us() + settings.future_us
    v1, v2 = WireV1(latest_us), WireV2(latest_us)
    decoder = msgspec.json.Decoder(_Head)

    def place_v2(frame: bytes) -> Placed:
        return _placed(v2.route(frame))

    def place(frame: bytes) -> Placed:
        routed = v1.route(frame)
        if not isinstance(routed, Rejected):
            return routed[:3]
        try:
            head = decoder.decode(frame)
        except UNDECODABLE:
            return routed.reason
        if head.kind == "sync" and EARLIEST_US <= head.time_us <= latest_us:
            return "deletes", frame, head.time_us
        if head.type != "message" or not head.payload:
            return routed.reason
        return place_v2(frame)

    return place_v2 if wire == "v2" else place


def _placed(routed: Routed | Rejected | Notice) -> Placed:
    if isinstance(routed, Notice):
        return RejectReason.UNKNOWN_KIND
    return routed.reason if isinstance(routed, Rejected) else routed[:3]
