"""Exceptions of the lake.

LakeError
├── CorruptLogError       a Delta log has an empty or unreadable tail: the lake would silently lose commits
├── MissingEntriesError   the buffer no longer holds entries that it announced: nothing was committed
├── CommitError           a Delta commit failed (a full disk), or kept conflicting with other writers
├── ParseError            DuckDB cannot work on a batch (memory, a full disk)
├── QueryError            a query that the lake cannot run, with DuckDB's reason
└── NoViewsError          no build of the cached views has been published yet
"""

from core.errors import BluelakeError, CorruptStateError


class LakeError(BluelakeError):
    """Base of what the lake raises."""


class CorruptLogError(LakeError, CorruptStateError):
    """A Delta log has an empty or unreadable tail; see docs/operations.md before anything else is written."""


class MissingEntriesError(LakeError, CorruptStateError):
    """Entries that a flush announced are not in the buffer; nothing was committed."""


class CommitError(LakeError):
    """A Delta commit failed, or conflicted with other writers more often than it is retried."""


class ParseError(LakeError):
    """DuckDB cannot work on a batch, for a reason that is not in its data."""


class QueryError(LakeError):
    """A query that cannot be run, with the reason."""

    exit_code = 2


class NoViewsError(LakeError):
    """The cached views have not been built yet."""
