"""The check of BLUELAKE_HOME before a process starts its work there."""

import os
from pathlib import Path
from secrets import token_hex

from bluelake.core.errors import ConfigurationError
from bluelake.core.settings.derived import Settings

# Characters that delta-rs reads as escapes or patterns.
UNUSABLE_IN_PATHS = frozenset("%[]*")


def require_home(settings: Settings, *, create: bool) -> Path:
    """`BLUELAKE_HOME`, checked to be a folder that this process can write.

    `create` makes a missing folder, but not its parents: a mistyped path must not become a second lake.
    Raises ConfigurationError.
    """
    home = settings.home
    if unusable := sorted(set(str(home)) & UNUSABLE_IN_PATHS):
        raise ConfigurationError(
            f"BLUELAKE_HOME={home}: Delta tables cannot lie under a path with {' '.join(unusable)}; name another folder"
        )
    try:
        if create and not home.exists():
            home.mkdir()
        if not home.is_dir():
            raise ConfigurationError(
                f"BLUELAKE_HOME={home}: no such folder; start Bluelake there first (bluelake up), or name another"
            )
        # Processes of two containers may have the same id.
        probe = home / f".writable-{os.getpid()}-{token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        if not os.path.isdir(home.parent):
            raise ConfigurationError(
                f"BLUELAKE_HOME={home}: {home.parent} does not exist; create it, or name another"
            ) from None
        raise ConfigurationError(
            f"BLUELAKE_HOME={home}: cannot be written ({error.strerror}); change its owner or name another"
        ) from None
    return home
