"""After an outage: an hour of events from a simulator's replay through the ingester and drains beside it."""

import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from harness.bench.data import free_port, redis_server
from harness.bench.processes import (
    PATIENCE_SECONDS,
    finish,
    frames_server,
    ingester,
    python,
    received,
    settings_for,
    wait,
)
from harness.bench.report import Figure

MUST_RATE = 30_000


def measure(folder: Path, frames: Path, count: int) -> list[Figure]:
    """`frames`: `count` events in an hour that has passed, a line each."""
    folder.mkdir()
    with redis_server(folder) as url:
        environment = settings_for(folder, url)
        seconds, drains = _catch_up(environment, frames, count)
    return [
        Figure(
            f"catch-up of {count / 1e6:.1f} million events, from the first connection to the last commit",
            f"{count / seconds:,.0f} events/s",
            f"{drains} drains beside it; all of it {seconds:.0f} s",
            f"≥ {MUST_RATE:,} events/s",
            count / seconds >= MUST_RATE,
        ),
    ]


def _catch_up(environment: Mapping[str, str], frames: Path, count: int) -> tuple[float, int]:
    """Seconds from the ingester's connection until all is committed, and how many drains it took."""
    port = free_port()
    with frames_server(frames, port):
        wait(lambda: _listens(port), "the simulator")
        started = time.perf_counter()
        with ingester(environment, port) as (_, metrics_port):
            committed = drains = 0
            while committed < count:
                if time.perf_counter() - started > 3 * PATIENCE_SECONDS:
                    raise RuntimeError(f"{committed} of {count} events committed, {received(metrics_port)} received")
                batches = json.loads(finish(python("bluelake", "drain", "--json"), environment).output)
                committed += sum(batch["events"] for batch in batches)
                drains += 1
            return time.perf_counter() - started, drains


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
