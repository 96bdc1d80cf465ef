"""Named points at which a test can kill a process, as a power cut or the kernel would: no cleanup, no exit handlers.

`BLUELAKE_CRASH_AT=<point>` ends the process by SIGKILL when it first reaches the point, `<point>:3` at the third time.
The harness sets it (docs/chaos.md).
"""

import os
import signal
from collections import Counter
from typing import Literal, get_args

CrashPoint = Literal[
    # ingest: a flush is due; Redis has it, and the ingester does not know that yet; it is about to take over after a conflict.
    "before-flush",
    "after-flush-before-answer",
    "before-resume",
    # drain, in the order in which it reaches them.
    "before-offered",
    "after-offered",
    "after-raw-file",
    "after-commit-before-fsync",
    "between-table-commits",
    "after-fsync-before-batches-row",
    "after-batches-row-before-watermark",
    "after-watermark-before-trim",
    "after-trim",
    # seal and maintenance.
    "before-seal-commit",
    "mid-seal-commit",
    "after-seal-commit",
    "mid-vacuum",
    # publication of the cached views.
    "before-publish-rename",
    "after-publish-rename",
    "after-publish-pointer",
]
CRASH_POINTS: tuple[CrashPoint, ...] = get_args(CrashPoint)
VARIABLE = "BLUELAKE_CRASH_AT"

_wanted, _, _count = os.environ.get(VARIABLE, "").partition(":")
_passes: Counter[str] = Counter()


def crash_point(point: CrashPoint) -> None:
    """Kill this process here if the environment names `point`."""
    if point != _wanted:
        return
    _passes[point] += 1
    if _passes[point] >= int(_count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
