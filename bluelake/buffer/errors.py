"""Exceptions of the buffer.

BufferError
├── BufferUnavailableError   Redis does not answer; try again
├── BufferFullError          Redis refuses writes (maxmemory, or it cannot write its own file); wait for room
├── FlushConflictError       Redis does not stand at the flush that this one continues; nothing was written
└── BufferCorruptError       what Redis holds contradicts what its flushes announced
"""

from bluelake.core.errors import BluelakeError, CorruptStateError


class BufferError(BluelakeError):
    """Base of what the buffer raises."""


class BufferUnavailableError(BufferError):
    """Redis does not answer."""


class BufferFullError(BufferError):
    """Redis refuses writes until there is room."""


class FlushConflictError(BufferError):
    """Redis stands at another flush than the one that was to be continued. `found` is its number, 0 for none."""

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(
            f"Redis stands at flush {found}, not {expected}: it was emptied, restored, or another ingester feeds it"
        )
        self.expected = expected
        self.found = found


class BufferCorruptError(BufferError, CorruptStateError):
    """What Redis holds contradicts what its flushes announced."""
