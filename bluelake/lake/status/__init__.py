"""How each part is, and how old the data."""

from bluelake.lake.status.gaps import Gap, missing_seconds, read_gaps
from bluelake.lake.status.parts import (
    WARNING,
    Part,
    buffer_depth,
    gaps_part,
    last_well_seconds,
    maintain_part,
    process_part,
    raises_alert,
    rejects_part,
    seal_part,
    status,
    views_part,
)
from bluelake.lake.status.recent_batches import REASONS_SECONDS, RecentBatch, count_reasons, read_recent, worst

__all__ = [
    "REASONS_SECONDS",
    "WARNING",
    "Gap",
    "Part",
    "RecentBatch",
    "buffer_depth",
    "count_reasons",
    "gaps_part",
    "last_well_seconds",
    "maintain_part",
    "missing_seconds",
    "process_part",
    "raises_alert",
    "read_gaps",
    "read_recent",
    "rejects_part",
    "seal_part",
    "status",
    "views_part",
    "worst",
]
