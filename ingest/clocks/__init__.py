"""Hosts with skewed clocks, and events with odd times. Every function here takes values and returns values.

Nothing in this package does I/O, reads the clock or keeps state.

A host stamps each event with its own clock. A commit's rev carries the clock of its author's server. The median difference
between the two is the host's *lag*. Times "by the clock of the revs" are host times less the host's lag, so those of two hosts
can be compared.

| module | answers |
|---|---|
| `lag` | how far a host's times are behind the revs |
| `reach` | how far all hosts together have been followed |
| `odd` | where a stream stands, although one event has an odd time |
| `suspect` | which span a slow host may have served only in part |
| `resume` | where a connection begins |
"""

from ingest.clocks.lag import Lag, rev_us
from ingest.clocks.odd import CURSOR_SAMPLE, FAR_BEHIND_US, furthest_us, typical_cursor
from ingest.clocks.reach import are_comparable, capped_at, horizon_us, made_us, newest_us
from ingest.clocks.resume import earliest_us, resume_position
from ingest.clocks.suspect import SuspectSpan

__all__ = [
    "CURSOR_SAMPLE",
    "FAR_BEHIND_US",
    "Lag",
    "SuspectSpan",
    "are_comparable",
    "capped_at",
    "earliest_us",
    "furthest_us",
    "horizon_us",
    "made_us",
    "newest_us",
    "resume_position",
    "rev_us",
    "typical_cursor",
]
