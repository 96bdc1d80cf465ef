"""The root of Bluelake's exceptions.

BluelakeError                 anything that Bluelake raises on purpose; exit code 1
├── ConfigurationError        a setting, folder or port has to be changed; exit code 2
├── CorruptStateError         our own state contradicts itself; never guessed around
├── bluelake.buffer.errors.BufferError the Redis buffer refused, is away, or has moved on
├── ingest.errors.IngestError a Jetstream host refused or broke its protocol
├── bluelake.lake.errors.LakeError     the lake could not be read or written
└── transforms.errors.TransformsError   the cached views could not be built

Each package's tree is in its own `errors.py`. A message names the fault, the value, and the remedy.
"""


class BluelakeError(Exception):
    """Base of every exception that Bluelake raises on purpose."""

    exit_code = 1


class ConfigurationError(BluelakeError):
    """A setting, a folder or a port has to be changed before Bluelake can run."""

    exit_code = 2


class CorruptStateError(BluelakeError):
    """State that only Bluelake writes contradicts itself. The process stops rather than build on it."""


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type where it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)
