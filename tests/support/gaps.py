"""Notices of gaps in a buffer, and the gaps that a lake shows."""

from datetime import UTC, datetime

from bluelake.buffer.chunks import ChunkEncoder
from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.core.watermark import Cursor
from bluelake.lake.delta import Store
from bluelake.lake.status.gaps import read_gaps
from ingest.pending import Pending
from tests.support.frames import NOON_US, SECOND_US


def notice(buffer: Buffer, start: int, end: int, *, host: str = "ws://one", cause: str = "host_skipped") -> None:
    """What the ingester writes of a gap; seconds after noon."""
    pending, state = Pending(), buffer.state()
    bounds = {"from_us": NOON_US + start * SECOND_US, "to_us": NOON_US + end * SECOND_US}
    pending.add_notice("gaps", {**bounds, "host": host, "cause": cause}, bounds["from_us"])
    cursors = {"host": Cursor(NOON_US)}
    buffer.append(state.flush, state.flush + 1, host, pending.chunks(ChunkEncoder(), 10), cursors, 1, "test")


def found(settings: Settings) -> list[tuple[float, float, bool]]:
    """From, to, and whether it is open, of each gap, in seconds after noon."""
    noon = datetime(2026, 7, 4, 12, tzinfo=UTC)
    gaps = read_gaps(settings, Store(settings.lake_dir))
    return sorted(
        ((g.from_at - noon).total_seconds(), (g.to_at - noon).total_seconds(), g.repaired_at is None) for g in gaps
    )
