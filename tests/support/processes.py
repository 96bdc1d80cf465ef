"""Ports, environments and child processes; waiting for what another process does."""

import io
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout

import pytest

from bluelake.cli.main import main
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
    return _clean(os.environ, extra)


def _clean(environment: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    names = {name.upper() for name in Settings.model_fields}
    return {**{name: value for name, value in environment.items() if name not in names}, **extra}


# Commands that become, or start, a process that stays.
SERVERS = frozenset({"up", "web", "redis", "ingest", "simulate"})


def bluelake(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `bluelake` as from a shell with only the settings in `environment`.

    It runs inside this process, which saves seconds of imports; a server's command runs in one of its own.
    """
    if arguments and arguments[0] in SERVERS and "--help" not in arguments:
        return bluelake_process(*arguments, **environment)
    output, errors = io.StringIO(), io.StringIO()
    before, handlers, level = dict(os.environ), logging.root.handlers[:], logging.root.level
    os.environ.clear()
    os.environ.update(_clean(before, environment))
    try:
        with redirect_stdout(output), redirect_stderr(errors), chdir(ROOT):
            code = main(arguments)
    finally:
        os.environ.clear()
        os.environ.update(before)
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


def bluelake_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "bluelake", *arguments],
        cwd=ROOT,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
