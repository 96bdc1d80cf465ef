"""The Delta tables on disk: durable commits, live files, recovery after a power loss, vacuum."""

from bluelake.lake.delta.log import appended_by
from bluelake.lake.delta.recovery import durable_versions, make_ready
from bluelake.lake.delta.rewrite import remove, write_hour
from bluelake.lake.delta.sealed import (
    by_hour,
    is_sealed,
    open_hours,
    read_sealed,
    write_sealed,
)
from bluelake.lake.delta.store import Commit, DataFile, Store
from bluelake.lake.delta.vacuum import Vacuumed, vacuum_tables

__all__ = [
    "Commit",
    "DataFile",
    "Store",
    "Vacuumed",
    "appended_by",
    "by_hour",
    "durable_versions",
    "is_sealed",
    "make_ready",
    "open_hours",
    "read_sealed",
    "remove",
    "vacuum_tables",
    "write_hour",
    "write_sealed",
]
