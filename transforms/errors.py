"""Exceptions of the transforms.

TransformsError
├── BuildError            a model could not be computed, with SQLMesh's or DuckDB's reason
│   └── AuditFailedError  a model was computed and an audit found rows that must not be; nothing was published
└── RefreshRunningError   another refresh of this BLUELAKE_HOME is at work
"""

from bluelake.core.errors import BluelakeError


class TransformsError(BluelakeError):
    """Base of what the transforms raise. Whatever was published before is still published."""


class BuildError(TransformsError):
    """A model could not be computed."""


class AuditFailedError(BuildError):
    """An audit found rows that must not be."""


class RefreshRunningError(TransformsError):
    """Another refresh of the same views is at work."""
