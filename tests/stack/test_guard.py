"""Nothing outlives the guard."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.processes import wait_until

_GUARD = """
import os, sys
from bluelake.stack.guard import run_guarded
sys.exit(run_guarded(sys.argv[2:], os.environ, float(sys.argv[1])))
"""
# Starts a child of its own in another process group, tells both pids, then does as its argument says.
_STUBBORN = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
if sys.argv[1] == "ignore":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), child.pid, flush=True)
if sys.argv[1] == "exit":
    os._exit(7)
signal.pause()
"""


def start(behaviour: str, stop_seconds: float) -> tuple[subprocess.Popen[str], list[int]]:
    command = [sys.executable, "-c", _GUARD, str(stop_seconds), sys.executable, "-c", _STUBBORN, behaviour]
    guard = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert guard.stdout is not None
    pids = [int(pid) for pid in guard.stdout.readline().split()]
    return guard, pids


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
@pytest.mark.parametrize(("behaviour", "stop_seconds"), [("ignore", 0.3), ("obey", 30.0)])
def test_a_signal_ends_it_and_all_that_it_started(behaviour: str, stop_seconds: float) -> None:
    guard, pids = start(behaviour, stop_seconds)
    assert all(map(alive, pids))
    guard.send_signal(signal.SIGTERM)
    assert guard.wait(20) == 0
    wait_until(lambda: not any(map(alive, pids)), 10, "all are gone")
    assert guard.stdout is not None
    guard.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
def test_its_exit_code_is_handed_on_and_its_children_go_with_it() -> None:
    guard, pids = start("exit", 30.0)
    assert guard.wait(20) == 7
    wait_until(lambda: not any(map(alive, pids)), 10, "all are gone")
    assert guard.stdout is not None
    guard.stdout.close()
    assert not os.path.exists(f"/proc/{guard.pid}")
