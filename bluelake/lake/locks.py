"""Locks between processes: one at a time does a task on a BLUELAKE_HOME."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bluelake.core.settings import Settings

log = logging.getLogger(__name__)


@contextmanager
def exclusive(settings: Settings, task: str) -> Iterator[None]:
    """Let one process at a time do `task` on this BLUELAKE_HOME; the others wait."""
    path = settings.home / f"{task}.lock"
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another %s is running here: waiting for it", task)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
