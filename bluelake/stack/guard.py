"""Runs one process so that no descendant outlives it.

A killed Airflow scheduler leaves its workers behind, and it may take long to stop while a task runs. The guard gives it
a bounded time. Then it kills every descendant by its id. It adopts orphans as a Linux subreaper (prctl(2)). Killing a task
is safe: its next run does the missing rest.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.05


def run_guarded(command: Sequence[str], environment: Mapping[str, str], stop_seconds: float) -> int:
    """Run `command` in the foreground until it ends, or until SIGTERM or SIGINT. Returns its exit code.

    After a signal the process has `stop_seconds` to stop. Then the guard kills the descendants that are left.
    """
    _adopt_orphans()
    child = subprocess.Popen(list(command), env=dict(environment))
    deadline: list[float] = []

    def stop(number: int, frame: object) -> None:
        if not deadline:
            deadline.append(time.monotonic() + stop_seconds)
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while child.poll() is None and not (deadline and time.monotonic() > deadline[0]):
        time.sleep(POLL_SECONDS)
    _kill_descendants()
    return 0 if deadline else child.wait()


def _adopt_orphans() -> None:
    """Become the parent of descendants whose parent dies. Only Linux can do this; elsewhere they are left alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _kill_descendants() -> None:
    """Kill children until none is left. The death of one hands its children to this process."""
    while children := _children():
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []
