"""Exceptions of the ingester.

IngestError
└── HostError          a Jetstream host refused the connection, broke it, or broke its protocol
    └── SlowHostError  the host serves less than is usual
"""

from bluelake.core.errors import BluelakeError
from bluelake.core.reasons import HostFault


class IngestError(BluelakeError):
    """Base of what the ingester raises."""


class HostError(IngestError):
    """A Jetstream host refused the connection, broke it, or broke its protocol; or it is left for a better one.

    `fault`: what it did. `status`: of an HTTP refusal. `retry_after_seconds`: how long the host asked to be left alone.
    """

    def __init__(
        self, fault: HostFault, message: str, *, status: int | None = None, retry_after_seconds: float = 0.0
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class SlowHostError(HostError):
    """The host serves less than is usual. `suspect_from_us`: from there on it may have left events out, by its own clock."""

    def __init__(self, message: str, suspect_from_us: int) -> None:
        super().__init__(HostFault.SLOW, message)
        self.suspect_from_us = suspect_from_us
