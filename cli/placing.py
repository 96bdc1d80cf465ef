"""Where a recorded frame belongs, as the ingester sees it: the lake asks no room but this one."""

import msgspec

from core.clock import now_us
from core.reasons import RejectReason
from core.settings import Settings
from ingest.frames import EARLIEST_US, Rejected
from ingest.wire_v1 import WireV1
from lake.recordings import Place


class _Reset(msgspec.Struct):
    kind: str
    time_us: int


def placer(settings: Settings) -> Place:
    """A function that tells the queue and time of a frame, or why it has none.

    Beside what a host sends on the v1 wire there are the ingester's own resets of a repository (kind `sync`), which
    only a recording can hold.
    """
    latest_us = now_us() + int(settings.future_seconds * 1e6)
    wire = WireV1(latest_us)
    decoder = msgspec.json.Decoder(_Reset)

    def place(frame: bytes) -> tuple[str, int] | RejectReason:
        routed = wire.route(frame)
        if not isinstance(routed, Rejected):
            queue, _, time_us, _ = routed
            return queue, time_us
        if routed.reason is RejectReason.UNKNOWN_KIND:
            try:
                head = decoder.decode(frame)
            except (ValueError, RecursionError):
                return routed.reason
            if head.kind == "sync" and EARLIEST_US <= head.time_us <= latest_us:
                return "deletes", head.time_us
        return routed.reason

    return place
