"""Requests to the API while everything around it works, stops and starts again."""

import http.client
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.bench.data import free_port, redis_server
from harness.bench.processes import finish, ingester, python, received, running, settings_for, wait
from harness.bench.report import Figure

CLIENTS = 4
PATHS = (
    "/search",
    "/search?text=the",
    "/search?text=%23art&page=2",
    "/export?text=the",
    "/views/",
    "/views/posts_by_hour",
    "/views/posts_by_hour?format=csv",
    "/healthz",
    "/metrics",
)
# The commands that are killed while they are at work, and how long after they have begun: the first time, the second time.
KILLED = ("drain", "seal", "views refresh", "maintain")
KILLED_AFTER_SECONDS = (0.0, 0.3)
_TIMEOUT_SECONDS = 60


@dataclass
class Answers:
    """What the clients got. `seconds`: how long each answer took."""

    statuses: Counter[int | str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Requests that were not answered with 200."""
        return sum(count for status, count in self.statuses.items() if status != 200)


def measure(folder: Path) -> list[Figure]:
    """Ask on CLIENTS connections at a time, each request a connection of its own."""
    folder.mkdir()
    kills: Counter[str] = Counter()
    web_port, simulator_port = free_port(), free_port()
    with ExitStack() as stack:
        buffer = stack.enter_context(ExitStack())
        redis_port = free_port()
        url = buffer.enter_context(redis_server(folder, redis_port))
        environment = settings_for(folder, url, WEB_PORT=str(web_port), SEAL_DELAY_MINUTES="0")
        simulator = python("harness.simulator", "--rate", "300", "--history", "6h", "--port", str(simulator_port))
        stack.enter_context(running(simulator))
        with ingester(environment, simulator_port, "6h") as (_, metrics_port):
            wait(lambda: (received(metrics_port) or 0) > 90_000, "the simulator's history")
        finish(python("bluelake", "drain"), environment)
        finish(python("bluelake", "views", "refresh"), environment)
        stack.enter_context(running(python("bluelake", "web"), environment))
        wait(lambda: _get(web_port, "/search") == 200, "the web server")
        started = time.perf_counter()
        with _asking(web_port) as answers:
            kills += _disturb(environment, simulator_port, KILLED_AFTER_SECONDS[0])
            buffer.close()
            # What the API says of a Redis that is away is an answer too.
            time.sleep(3)
            buffer.enter_context(redis_server(folder, redis_port))
            kills += _disturb(environment, simulator_port, KILLED_AFTER_SECONDS[1])
        spent = time.perf_counter() - started
    slowest = sorted(answers.seconds)[int(len(answers.seconds) * 0.99)]
    requests, killed = sum(answers.statuses.values()), ", ".join(f"{command} {kills[command]}" for command in KILLED)
    return [
        Figure(
            "API during drain, seal, publish, maintenance, SIGKILL of each of them at work, restarts of ingester and Redis: "
            f"{requests:,} requests",
            f"{answers.failed} not answered with 200",
            f"{CLIENTS} clients for {spent:.0f} s; 99% within {slowest:.2f} s; killed: {killed}",
            "0, each killed at least once",
            not answers.failed and all(kills[command] for command in KILLED),
        )
    ]


def _disturb(environment: dict[str, str], simulator_port: int, seconds: float) -> Counter[str]:
    """Everything that goes on around the API: each command is killed `seconds` after it has begun, then run to its end; the
    ingester is killed. Returns how often each command was killed before it was done.
    """
    kills: Counter[str] = Counter()
    with ingester(environment, simulator_port, "6h") as (process, metrics_port):
        wait(partial(_has_received, metrics_port, 1000), "new events")
        kills["drain"] = _kill_and_repeat("drain", environment, seconds)
        process.kill()
    for command in KILLED[1:]:
        kills[command] = _kill_and_repeat(command, environment, seconds)
    return kills


def _kill_and_repeat(command: str, environment: Mapping[str, str], seconds: float) -> bool:
    """Kill `command` at work, then run it to its end. Returns whether it was killed before it was done."""
    words = python("bluelake", *command.split())
    killed = _kill_at_work(words, environment, seconds)
    finish(words, environment)
    return killed


def _kill_at_work(words: list[str], environment: Mapping[str, str], seconds: float) -> bool:
    """SIGKILL for a process `seconds` after it has begun to work. Returns False where it had ended by itself."""
    home = Path(environment["BLUELAKE_HOME"])
    with running(words, environment) as process:
        wait(
            lambda: process.poll() is not None or _has_begun(process.pid, home),
            f"{words[-1]} at work",
            poll_seconds=0.005,
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
        return process.wait() == -signal.SIGKILL


def _has_begun(pid: int, home: Path) -> bool:
    """Whether a process has DuckDB open, in a refresh the database of the views: past its imports, with something to do."""
    try:
        opened = [os.readlink(descriptor) for descriptor in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        # A file that was closed meanwhile, or a process that has ended.
        return False
    return any(path.startswith((f"{home}/tmp/", f"{home}/views/build.duckdb")) for path in opened)


def _has_received(metrics_port: int, events: int) -> bool:
    return (received(metrics_port) or 0) > events


@contextmanager
def _asking(port: int) -> Iterator[Answers]:
    answers, done, lock = Answers(), threading.Event(), threading.Lock()

    def ask(first: int) -> None:
        number = first
        while not done.is_set():
            began = time.perf_counter()
            status = _get(port, PATHS[number % len(PATHS)])
            with lock:
                answers.statuses[status] += 1
                answers.seconds.append(time.perf_counter() - began)
            number += 1

    threads = [threading.Thread(target=ask, args=(number * 2,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _get(port: int, path: str) -> int | str:
    """The status of an answer that was read whole, or what went wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
