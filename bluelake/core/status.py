"""The last status of each process and task: one small JSON file for each under BLUELAKE_HOME/status/.

`/healthz` and `bluelake status` read them. So they can name a failure even while Redis is away.
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
    """One status of `part`. `state`: one word. `message`: one line for a person. `at_us`: microseconds since 1970.

    `well_before_us`: for a status that is not ok, the time of the last one that was; None where there was none.
    """

    part: str
    ok: bool
    state: str
    message: str
    at_us: int
    well_before_us: int | None = None

    @property
    def last_well_us(self) -> int | None:
        """The time of the last status that was ok, microseconds since 1970; None where there was none."""
        return self.at_us if self.ok else self.well_before_us


def _path(settings: Settings, part: str) -> Path:
    return settings.home / "status" / f"{part}.json"


def report(settings: Settings, part: str, *, ok: bool, state: str, message: str = "") -> Status:
    """Write the status of `part`. A disk error is ignored: the log of the caller has the same line."""
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
    """The last status of `part`; None where there is none that can be read."""
    try:
        return Status(**json.loads(_path(settings, part).read_text()))
    except (OSError, ValueError, TypeError):
        return None


@contextlib.contextmanager
def failure_reported(settings: Settings, part: str) -> Iterator[None]:
    """Where the block raises, report `part` as failed with the first line of the error, and raise it again."""
    try:
        yield
    except Exception as error:
        report(settings, part, ok=False, state="failed", message=first_line(error))
        raise
