"""Ports, environments and child processes; waiting for what another process does."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from bluelake.core.settings import Settings
from tests.support.paths import ROOT


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], seconds: float = 30.0, what: str = "condition") -> None:
    """Poll until `condition` holds; fail the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    pytest.fail(f"{what}: not within {seconds} s")


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without any Bluelake setting, plus `extra`."""
    names = {name.upper() for name in Settings.model_fields}
    return {**{name: value for name, value in os.environ.items() if name not in names}, **extra}


def bluelake(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own; `environment`: the settings that it gets."""
    return subprocess.run(
        [sys.executable, "-m", "bluelake", *arguments],
        cwd=ROOT,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
