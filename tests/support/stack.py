"""`bluelake up` as a person starts it: one process in the foreground, and everything that it starts."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bluelake.core.settings import Settings
from tests.support.paths import ROOT
from tests.support.processes import clean_environment, free_port, wait_until

# Twice what it takes on two cores that also run all other tests.
START_SECONDS = 300.0


class RunningStack:
    """All processes of one BLUELAKE_HOME, on ports of their own."""

    def __init__(self, home: Path, *, demo: bool, **environment: str) -> None:
        self.home = home
        self.web = free_port()
        self._airflow = free_port()
        self.redis_url = f"redis://127.0.0.1:{free_port()}/0"
        self._demo = demo
        self._environment = clean_environment(
            BLUELAKE_HOME=str(home),
            WEB_PORT=str(self.web),
            AIRFLOW_PORT=str(self._airflow),
            SIMULATOR_PORT=str(free_port()),
            INGEST_METRICS_PORT=str(free_port()),
            REDIS_URL=self.redis_url,
            EMBEDDED_REDIS="true",
            **environment,
        )
        self._output = home.parent / "up.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it has told where it is, and answers there."""
        command = [sys.executable, "-m", "bluelake", "up", *(["--demo"] if self._demo else [])]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def told() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, self.output
            return "Ctrl-C stops everything." in self.output

        wait_until(told, START_SECONDS, f"bluelake up, whose output is in {self._output}")
        # On a busy machine it does not wait for Airflow.
        for port in (self.web, self._airflow):
            wait_until(partial(_answers, port), START_SECONDS, f"port {port} of bluelake up")

    @property
    def output(self) -> str:
        """What it has printed."""
        return self._output.read_text() if self._output.exists() else ""

    @property
    def settings(self) -> Settings:
        """Settings to look at its lake with."""
        return Settings(bluelake_home=self.home, redis_url=self.redis_url, duckdb_memory_mb=1024)

    def control(self, *arguments: str) -> str:
        """Ask the supervisor. Returns its answer."""
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self.home / "run" / "supervisord.conf")]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False).stdout.strip()

    def get(self, path: str) -> bytes:
        """The body that the web server answers with."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}{path}", timeout=30) as response:
            body: bytes = response.read()
            return body

    def get_json(self, path: str) -> Any:
        """The same, decoded; also of an answer with an error's status."""
        try:
            return json.loads(self.get(path))
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def processes(self) -> list[int]:
        """Every live process of the session that the stack was started in, whoever its parent is now.

        By session, since some processes write their title over the environment that would tell their BLUELAKE_HOME.
        """
        assert self._process is not None
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if state != "Z" and int(session) == self._process.pid:
                found.append(int(entry.name))
        return found

    def stop(self) -> int:
        """Ctrl-C. Returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(120)

    def kill_leftovers(self) -> None:
        """End, by their own ids, whatever a failed test leaves."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(150)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pid in self.processes() if self._process is not None else ():
            os.kill(pid, signal.SIGKILL)


def _answers(port: int) -> bool:
    """Whether an HTTP server is there, whatever it says."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextmanager
def running_stack(home: Path, *, demo: bool, **environment: str) -> Iterator[RunningStack]:
    """A stack that has started; nothing of it is left afterwards."""
    stack = RunningStack(home, demo=demo, **environment)
    try:
        stack.start()
        yield stack
    finally:
        stack.kill_leftovers()


def wait_seconds(seconds: float) -> None:
    """Let the stack run: what is tested is that time passes under it."""
    time.sleep(seconds)
