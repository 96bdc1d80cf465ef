"""What each process last said of itself: a small JSON file a process under BLUELAKE_HOME/status/.

`/healthz` and `bluelake status` read them, so that they can tell what is wrong even while Redis is away.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bluelake.core.clock import now_us
from bluelake.core.errors import first_line
from bluelake.core.settings import Settings


@dataclass(frozen=True)
class Status:
    """`state`: one word. `message`: one line for a person. `at_us`: when it was said, microseconds since 1970.

    `well_before_us`: for one that is not well, when it last was; None where it never was.
    """

    part: str
    ok: bool
    state: str
    message: str
    at_us: int
    well_before_us: int | None = None

    @property
    def last_well_us(self) -> int | None:
        """When it was last said that all is well, microseconds since 1970; None where it never was."""
        return self.at_us if self.ok else self.well_before_us


def _path(settings: Settings, part: str) -> Path:
    return settings.home / "status" / f"{part}.json"


def report(settings: Settings, part: str, *, ok: bool, state: str, message: str = "") -> Status:
    """Say how `part` is. A full disk does not stop the one who says it: the log has the same line."""
    before = None if ok else read_status(settings, part)
    status = Status(part, ok, state, message, now_us(), before.last_well_us if before else None)
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


@contextlib.contextmanager
def failure_reported(settings: Settings, part: str) -> Iterator[None]:
    """Whatever the block raises, foreseen or not, `part` has failed and says why."""
    try:
        yield
    except Exception as error:
        report(settings, part, ok=False, state="failed", message=first_line(error))
        raise
