"""The state of each part and the age of the data: the facts, the parts made from them, and the gaps."""

from bluelake.lake.status.batches import BatchRow
from bluelake.lake.status.collector import Collector, ViewsFacts
from bluelake.lake.status.gaps import Gap, read_gaps
from bluelake.lake.status.parts import (
    WARNING,
    Part,
    buffer_part,
    gaps_part,
    last_batch_part,
    maintain_part,
    process_part,
    rejects_part,
    seal_part,
    status,
    views_part,
)

__all__ = [
    "WARNING",
    "BatchRow",
    "Collector",
    "Gap",
    "Part",
    "ViewsFacts",
    "buffer_part",
    "gaps_part",
    "last_batch_part",
    "maintain_part",
    "process_part",
    "read_gaps",
    "rejects_part",
    "seal_part",
    "status",
    "views_part",
]
