"""Putting frames into a real buffer as the ingester does."""

import json
from collections.abc import Iterable

from bluelake.buffer.chunks import ChunkEncoder
from bluelake.buffer.client import Buffer
from bluelake.core.watermark import Cursor
from ingest.frames import Rejected, Wire
from ingest.pending import Pending, reject_notice
from ingest.wire_v1 import WireV1


def feed(buffer: Buffer, frames: Iterable[bytes], *, chunk_events: int = 4, wire: Wire | None = None) -> int:
    """Write `frames`, which came on `wire` (v1 unless told otherwise), as one flush. Returns its number."""
    router, pending = wire or WireV1(2**62), Pending()
    for frame in frames:
        if b'"kind":"sync"' in frame:
            pending.add("deletes", frame, json.loads(frame)["time_us"])
            continue
        routed = router.route(frame)
        if isinstance(routed, tuple):
            pending.add(routed[0], routed[1], routed[2])
        else:
            assert isinstance(routed, Rejected)
            pending.add_notice("rejects", reject_notice(frame, routed.reason, 1_783_166_400_000_000), 0)
    state = buffer.state()
    cursors = {"host": pending.cursor() or Cursor(max(pending.last_times(), default=0))}
    number = state.flush + 1
    buffer.append(state.flush, number, "host", pending.chunks(ChunkEncoder(), chunk_events), cursors, 1, "test")
    return number
