"""The queue of a recorded frame. Everything else in `repair` asks this router and knows no wire."""

import msgspec

from bluelake.core.clock import now_us
from bluelake.core.reasons import RejectReason
from bluelake.core.settings import Settings
from ingest.frames import EARLIEST_US, Notice, Rejected, Routed, WireName
from ingest.wire_v1 import ABSENT, UNDECODABLE, WireV1
from ingest.wire_v2 import WireV2

# The queue of an event, its frame in the v1 shape, and its time in microseconds since 1970.
RoutedFrame = tuple[str, bytes, int]


class _Head(msgspec.Struct):
    """The fields that tell a reset and a v2 envelope from other frames that are no v1 event."""

    kind: str = ""
    time_us: int = 0
    type: str = msgspec.field(name="$type", default="")
    payload: msgspec.Raw = ABSENT


class Router:
    """Routes recorded frames as the ingester routes live ones.

    `wire`: "v2" where every frame came on that wire. Otherwise each frame shows its wire by its shape.
    A recording can also hold the ingester's own resets of a repository: the tombstones that a `sync` becomes.
    """

    def __init__(self, settings: Settings, wire: WireName | None = None) -> None:
        self._latest_us = now_us() + settings.future_us
        self._v1, self._v2 = WireV1(self._latest_us), WireV2(self._latest_us)
        self._is_v2 = wire == "v2"
        self._decoder = msgspec.json.Decoder(_Head)

    def route(self, frame: bytes) -> RoutedFrame | RejectReason:
        """The event in `frame`, or the reason why there is none."""
        if self._is_v2:
            return _event_of(self._v2.route(frame))
        routed = self._v1.route(frame)
        if not isinstance(routed, Rejected):
            return _event_of(routed)
        try:
            head = self._decoder.decode(frame)
        except UNDECODABLE:
            return routed.reason
        if head.kind == "sync" and EARLIEST_US <= head.time_us <= self._latest_us:
            return "deletes", frame, head.time_us
        if head.type != "message" or not head.payload:
            return routed.reason
        return _event_of(self._v2.route(frame))


def _event_of(routed: Routed | Rejected | Notice) -> RoutedFrame | RejectReason:
    if isinstance(routed, Notice):
        return RejectReason.UNKNOWN_KIND
    return routed.reason if isinstance(routed, Rejected) else routed[:3]
