"""Exceptions of the ingester.

IngestError
└── HostError     a Jetstream host refused the connection, broke it, or broke its protocol
"""

from bluelake.core.errors import BluelakeError
from bluelake.core.reasons import HostFault


class IngestError(BluelakeError):
    """Base of what the ingester raises."""


class HostError(IngestError):
    """A Jetstream host refused the connection, broke it, or broke its protocol; or it was left for a better one.

    `fault`: what it did. `status`: of an HTTP refusal. `retry_after_seconds`: how long the host asked to be left alone.
    """

    def __init__(
        self, fault: HostFault, message: str, *, status: int | None = None, retry_after_seconds: float = 0.0
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.status = status
        self.retry_after_seconds = retry_after_seconds
