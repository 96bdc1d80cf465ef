"""Hours that have passed: sealed into sorted files, and purged of deleted records."""

from bluelake.lake.compaction.maintenance import maintain
from bluelake.lake.compaction.pending_purge import oldest_waiting_us, read_state
from bluelake.lake.compaction.purge import DeletedAccounts, purges
from bluelake.lake.compaction.sealer import seal, waiting_hours

__all__ = ["DeletedAccounts", "maintain", "oldest_waiting_us", "purges", "read_state", "seal", "waiting_hours"]
