"""Crash points: a process dies where it is told to, at the pass that it is told, and nowhere else."""

import signal
import subprocess
import sys

from tests.support.paths import ROOT
from tests.support.processes import clean_environment

SCRIPT = """
from bluelake.core.crash import crash_point
for point in ("before-flush", "after-offered", "after-offered", "after-trim"):
    crash_point(point)
    print(point, flush=True)
"""


def run(wanted: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=clean_environment(BLUELAKE_CRASH_AT=wanted),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.split()


def test_it_dies_by_sigkill_at_the_named_point() -> None:
    assert run("after-offered") == (-signal.SIGKILL, ["before-flush"])


def test_it_dies_at_the_pass_that_is_asked_for() -> None:
    assert run("after-offered:2") == (-signal.SIGKILL, ["before-flush", "after-offered"])


def test_it_lives_where_nothing_is_asked_or_the_point_is_not_passed() -> None:
    everything = ["before-flush", "after-offered", "after-offered", "after-trim"]
    assert run("") == (0, everything)
    assert run("mid-vacuum") == (0, everything)
    assert run("after-offered:3") == (0, everything)
