"""Requests to the API while everything around it works, stops and starts again."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.data import free_port, redis_server
from bench.processes import finish, ingester, python, received, running, settings_for, wait
from bench.report import Figure

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
    web_port, simulator_port = free_port(), free_port()
    with ExitStack() as stack:
        buffer = stack.enter_context(ExitStack())
        redis_port = free_port()
        url = buffer.enter_context(redis_server(folder, redis_port))
        environment = settings_for(folder, url, WEB_PORT=str(web_port), SEAL_DELAY_MINUTES="0")
        simulator = python("simulator", "--rate", "300", "--history", "6h", "--port", str(simulator_port))
        stack.enter_context(running(simulator))
        with ingester(environment, simulator_port, "6h") as (_, metrics_port):
            wait(lambda: (received(metrics_port) or 0) > 90_000, "the simulator's history")
        finish(python("cli", "drain"), environment)
        finish(python("cli", "views", "refresh"), environment)
        stack.enter_context(running(python("cli", "web"), environment))
        wait(lambda: _get(web_port, "/search") == 200, "the web server")
        started = time.perf_counter()
        with _asking(web_port) as answers:
            _disturb(environment, simulator_port)
            buffer.close()
            # What the API says of a Redis that is away is an answer too.
            time.sleep(3)
            buffer.enter_context(redis_server(folder, redis_port))
            _disturb(environment, simulator_port)
        spent = time.perf_counter() - started
    slowest = sorted(answers.seconds)[int(len(answers.seconds) * 0.99)]
    return [
        Figure(
            f"API during drain, seal, publish, restarts of ingester and Redis: {sum(answers.statuses.values()):,} requests",
            f"{answers.failed} not answered with 200",
            f"{CLIENTS} clients for {spent:.0f} s; 99% within {slowest:.2f} s",
            "0",
            not answers.failed,
        )
    ]


def _disturb(environment: dict[str, str], simulator_port: int) -> None:
    """Everything that goes on around the API; the ingester is killed in the end."""
    with ingester(environment, simulator_port, "6h") as (process, metrics_port):
        wait(partial(_has_received, metrics_port, 1000), "new events")
        finish(python("cli", "drain"), environment)
        process.kill()
    finish(python("cli", "seal"), environment)
    finish(python("cli", "views", "refresh"), environment)
    finish(python("cli", "maintain"), environment)


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
