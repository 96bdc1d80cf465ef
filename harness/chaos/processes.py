"""Child processes of a run: the pipeline's own commands, a Redis server, a simulator."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis

from bluelake.core.crash import VARIABLE
from bluelake.core.settings import Settings
from bluelake.stack.redis_server import server_binary
from harness.errors import HarnessError

ROOT = Path(__file__).resolve().parent.parent.parent
POLL_SECONDS = 0.02


def free_ports(count: int) -> int:
    """The first of `count` consecutive ports of this machine that nothing listens on. Raises HarnessError."""
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first + count < 65_536 and all(map(_is_free, range(first, first + count))):
            return first
    raise HarnessError(f"no {count} free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Poll until `condition` holds. Raises HarnessError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise HarnessError(f"{what}: not within {seconds:g} s")
        time.sleep(POLL_SECONDS)


def bare_environment(**extra: str) -> dict[str, str]:
    """This process's environment without any setting of Bluelake, with the tree that this file is in, and `extra`."""
    names = {name.upper() for name in Settings.model_fields} | {VARIABLE}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **extra}


@dataclass
class Child:
    """A process of the pipeline. `crash`: the crash point that it was started with. `killed`: whether the harness killed it."""

    kind: str
    process: subprocess.Popen[bytes]
    log: Path
    crash: str = ""
    killed: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    @property
    def crashed(self) -> str:
        """The crash point at which it died; empty where it did not die at one."""
        died = self.process.poll() == -signal.SIGKILL
        return self.crash.partition(":")[0] if died and self.crash and not self.killed else ""

    @property
    def failed(self) -> bool:
        """Whether it has ended by itself with an error."""
        return bool(self.process.poll()) and not self.killed and not self.crashed

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal."""
        self.killed = self.killed or number == signal.SIGKILL
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Its exit code; it is killed if it takes longer. Raises HarnessError then."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
            raise HarnessError(f"{self.kind}: did not end within {seconds:g} s; {self.log}") from None

    def tail(self) -> str:
        """The end of its output."""
        return self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""


def start(kind: str, arguments: list[str], log: Path, environment: Mapping[str, str], crash: str = "") -> Child:
    """Run `python -m` with `arguments`; what it says goes to the end of `log`."""
    extra = {VARIABLE: crash} if crash else {}
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=out, stderr=out, env={**environment, **extra}, cwd=ROOT
        )
    return Child(kind, process, log, crash)


class RedisProcess:
    """A real Redis server that writes an append-only file, as in production."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_ports(1)
        self.client = redis.Redis(port=self.port, socket_timeout=5)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it unless it runs, and wait until it answers: two faults of one run may both bring it back."""
        if self._process is not None and self._process.poll() is None:
            return
        self.folder.mkdir(exist_ok=True)
        command = [str(server_binary()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]
        log = (self.folder.parent / "logs" / "redis.log").open("ab")
        with log:
            self._process = subprocess.Popen([*command, "--dir", str(self.folder)], stdout=log, stderr=log)
        wait_until(self._answers, 20, "Redis answers")

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.exceptions.RedisError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """Remove what it keeps on the disk."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()


class SimulatorProcess:
    """The simulator: hosts on consecutive ports, with faults, and a ledger."""

    def __init__(self, hosts: int, folder: Path) -> None:
        self.ports = [first + host for first in [free_ports(hosts)] for host in range(hosts)]
        self.ledger = folder / "ledger.jsonl"
        self._log = folder / "logs" / "simulator.log"
        self._arguments = ["harness.simulator", "--port", str(self.ports[0]), "--hosts", str(hosts)]
        self._arguments += ["--ledger", str(self.ledger), "--faults"]
        self.child: Child | None = None

    def begin(self, options: list[str]) -> None:
        """Start it with more options, which every later start has too."""
        self._arguments += options
        self.start()

    def start(self) -> None:
        """Start it and wait until every host answers; a second start continues the timeline."""
        self.child = start("simulator", self._arguments, self._log, bare_environment())
        for port in self.ports:
            wait_until(lambda port=port: self._is_up(port), 30, f"the simulator's host on port {port} answers")  # type: ignore[misc]

    def _is_up(self, port: int) -> bool:
        if self.child is not None and self.child.ended:
            raise HarnessError(f"the simulator ended: {self.child.tail()}")
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
        return False

    def kill(self) -> None:
        """End it without a word."""
        if self.child is not None:
            self.child.kill()
            self.child.process.wait()
            self.child = None

    def control(self, host: int, query: str) -> dict[str, object]:
        """Ask `host`, a number from 0, for a fault: `stall?seconds=2`. Raises HarnessError."""
        try:
            url = f"http://127.0.0.1:{self.ports[host]}/control/{query}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                answered: dict[str, object] = json.load(answer)
                return answered
        except (OSError, ValueError) as error:
            raise HarnessError(f"the simulator's control {query}: {error}") from error
