"""Exceptions of the lake.

LakeError
├── CorruptLogError       a Delta log has a broken entry that was known to be durable, or one not moved aside yet
├── MissingEntriesError   the buffer no longer holds entries that it announced: nothing was committed
├── CommitError           a Delta commit failed (a full disk), or kept conflicting with other writers
│   └── RefusedError      delta-rs refuses what it was given; it may be the data or the disk
├── UnwritableRowsError   a table's rows cannot be written as they are; the drain finds out which, and catches this
├── SealError             hours that cannot be rewritten or looked through (memory, a full disk); the others were
├── ParseError            DuckDB cannot work on a batch (memory, a full disk)
├── RecordingError        a recording of frames cannot be read, or there is none
├── LakeUnavailableError  the lake cannot be read now; the message says why
├── QueryError            a query that the lake cannot run, with DuckDB's reason
└── NoViewsError          no build of the cached views has been published yet
"""

from bluelake.core.errors import BluelakeError, CorruptStateError


class LakeError(BluelakeError):
    """Base of what the lake raises."""


class CorruptLogError(LakeError, CorruptStateError):
    """A Delta log has a broken entry; see docs/operations.md before anything else is written."""


class MissingEntriesError(LakeError, CorruptStateError):
    """Entries that a flush announced are not in the buffer; nothing was committed."""


class CommitError(LakeError):
    """A Delta commit failed, or conflicted with other writers more often than it is retried."""


class RefusedError(CommitError):
    """delta-rs refuses what it was given to write, for a reason in the data or outside it."""


class UnwritableRowsError(LakeError):
    """Rows of `table` cannot be selected or written as they are; the cause is what went wrong."""

    def __init__(self, table: str, cause: Exception) -> None:
        super().__init__(f"{table}: {next(iter(str(cause).splitlines()), type(cause).__name__)}")
        self.table = table
        self.cause = cause


class SealError(LakeError):
    """Hours cannot be rewritten or looked through, and stay as they are; all others were."""


class ParseError(LakeError):
    """DuckDB cannot work on a batch, for a reason that is not in its data."""


class RecordingError(LakeError):
    """A recording of frames cannot be read (further), or there is none."""

    exit_code = 2


class LakeUnavailableError(LakeError):
    """The lake cannot be read now; the message says why."""


class QueryError(LakeError):
    """A query that cannot be run, with the reason."""

    exit_code = 2


class NoViewsError(LakeError):
    """The cached views have not been built yet."""
