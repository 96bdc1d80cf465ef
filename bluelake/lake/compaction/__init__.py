"""Hours that have passed: sealed into sorted files, and rid of deleted records."""

from bluelake.lake.compaction.maintenance import maintain
from bluelake.lake.compaction.pending_purge import oldest_waiting_us, read_state
from bluelake.lake.compaction.purge import GoneAccounts, purges
from bluelake.lake.compaction.sealer import seal, waiting_hours

__all__ = ["GoneAccounts", "maintain", "oldest_waiting_us", "purges", "read_state", "seal", "waiting_hours"]
