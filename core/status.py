"""What each process last said of itself: a small JSON file a process under BLUELAKE_HOME/status/.

`/healthz` and `bluelake status` read them, so that they can tell what is wrong even while Redis is away.
"""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from core.clock import now_us
from core.settings import Settings


@dataclass(frozen=True)
class Status:
    """`state`: one word. `message`: one line for a person. `at_us`: when it was said, microseconds since 1970."""

    part: str
    ok: bool
    state: str
    message: str
    at_us: int


def _path(settings: Settings, part: str) -> Path:
    return settings.home / "status" / f"{part}.json"


def report(settings: Settings, part: str, *, ok: bool, state: str, message: str = "") -> Status:
    """Say how `part` is. A full disk does not stop the one who says it: the log has the same line."""
    status = Status(part, ok, state, message, now_us())
    path = _path(settings, part)
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(status)))
        temporary.replace(path)
    return status


def read_status(settings: Settings, part: str) -> Status | None:
    """What `part` last said; None where it never said anything that can be read."""
    try:
        return Status(**json.loads(_path(settings, part).read_text()))
    except (OSError, ValueError, TypeError):
        return None
