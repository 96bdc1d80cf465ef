"""Exceptions of the transforms.

TransformsError
├── BuildError            a model could not be computed, with SQLMesh's or DuckDB's reason
│   └── AuditFailedError  an audit found wrong rows in a computed model; its last good rows stay published
└── RefreshRunningError   another refresh of this BLUELAKE_HOME is running
"""

from bluelake.core.errors import BluelakeError


class TransformsError(BluelakeError):
    """Base of the transforms' exceptions. The views that were published stay published."""


class BuildError(TransformsError):
    """A model could not be computed."""


class AuditFailedError(BuildError):
    """An audit found wrong rows."""


class RefreshRunningError(TransformsError):
    """Another refresh of the same views is running."""
