"""Ingest, socket to Redis: events a CPU-second of the ingester, beside a bare receive loop on the same frames."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from bluelake.buffer.client import Buffer
from harness.bench.data import free_port, redis_server
from harness.bench.processes import (
    PATIENCE_SECONDS,
    cpu_seconds,
    frames_server,
    ingester,
    python,
    received,
    settings_for,
    wait,
)
from harness.bench.report import Figure

MUST_SHARE = 0.45
MUST_RATE = 100_000
# A shared machine's cores run at changing speed; the best of some rounds, taken in turn, is what the code costs.
ROUNDS = 3


def measure(folder: Path, frames: Path, count: int) -> list[Figure]:
    """Serve `frames` to a bare loop and to the ingester, in turn. Both are charged from before they connect."""
    folder.mkdir()
    bare, ours = 0.0, 0.0
    for number in range(ROUNDS):
        (folder / str(number)).mkdir()
        bare = max(bare, _bare(frames, count))
        ours = max(ours, _ingester(frames, count, folder / str(number)))
    return [
        Figure(
            "ingest, socket to Redis, events a CPU-second of the ingester",
            f"{ours:,.0f}",
            f"bare `websockets` receive loop: {bare:,.0f} ({ours / bare:.0%}); each the best of {ROUNDS}",
            f"≥ {MUST_SHARE:.0%} of it, and ≥ {MUST_RATE:,}",
            ours >= MUST_SHARE * bare and ours >= MUST_RATE,
        )
    ]


def _bare(frames: Path, count: int) -> float:
    port = free_port()
    with frames_server(frames, port):
        command = python("harness.bench.ingest", f"ws://127.0.0.1:{port}/subscribe?cursor=1", str(count))
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    return count / float(json.loads(done.stdout))


def _ingester(frames: Path, count: int, folder: Path) -> float:
    port = free_port()
    with redis_server(folder) as url, ingester(settings_for(folder, url), port) as (process, metrics_port):
        before = cpu_seconds(process.pid)
        with frames_server(frames, port):
            wait(lambda: (received(metrics_port) or 0) >= count, "the ingester has everything")
            spent = cpu_seconds(process.pid) - before
            held = sum(depth.events for depth in Buffer(url).depth().values())
            if held != count:
                raise RuntimeError(f"Redis holds {held} events of {count}")
        return count / spent


async def _receive(url: str, count: int) -> float:
    from websockets.asyncio.client import connect

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection = await connect(url, compression=None, max_size=None, max_queue=4096)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
    before = time.process_time()
    for _ in range(count):
        await connection.recv(decode=False)
    spent = time.process_time() - before
    await connection.close()
    return spent


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_receive(sys.argv[1], int(sys.argv[2])))))
