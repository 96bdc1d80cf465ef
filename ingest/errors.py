"""Exceptions of the ingester.

IngestError
└── HostError     a Jetstream host refused the connection, broke it, or broke its protocol
"""

from core.errors import BluelakeError


class IngestError(BluelakeError):
    """Base of what the ingester raises."""


class HostError(IngestError):
    """A Jetstream host refused the connection, broke it, or broke its protocol."""
