"""The processes that are measured, as their commands, and what is read off them."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.bench.data import FRAMES_ASKED, free_port

PATIENCE_SECONDS = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Finished:
    """A command that has ended: how long it took, and the most memory that it held, MiB."""

    seconds: float
    rss_mb: int
    output: str


@contextmanager
def running(command: list[str], environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended, by its own id, after the block."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def python(*arguments: str) -> list[str]:
    """A command of this project, with the same interpreter."""
    return [sys.executable, "-m", *arguments]


@contextmanager
def frames_server(frames: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A simulator that serves `frames` once all of them are ready for the socket."""
    command = python("harness.simulator", "--file", str(frames), "--port", str(port), "--pregenerate", *options)
    with running(command) as process:
        yield process


def settings_for(home: Path, redis_url: str, **more: str) -> dict[str, str]:
    """The environment of a process on `home`."""
    return {**os.environ, "BLUELAKE_HOME": str(home), "REDIS_URL": redis_url, "LOG_LEVEL": "ERROR", **more}


@contextmanager
def ingester(
    environment: Mapping[str, str], simulator_port: int, start: str = FRAMES_ASKED
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An ingester of what the host on `simulator_port` has from `start` on. Yields it, and the port of its metrics."""
    metrics_port = free_port()
    following = {
        **environment,
        "JETSTREAM_URLS": f"ws://127.0.0.1:{simulator_port}/subscribe",
        "JETSTREAM_START": start,
        "INGEST_METRICS_PORT": str(metrics_port),
    }
    with running(python("bluelake", "ingest"), following) as process:
        wait(lambda: received(metrics_port) is not None, "the ingester's metrics")
        yield process, metrics_port


def finish(command: list[str], environment: Mapping[str, str]) -> Finished:
    """Run a command to its end. Raises RuntimeError if it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}")
    return Finished(time.perf_counter() - started, usage.ru_maxrss // 1024, output)


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def received(metrics_port: int) -> int | None:
    """Events that an ingester has brought into Redis; None while it does not answer."""
    return _metric_sum(metrics_port, "bluelake_ingest_events_total{")


def received_bytes(metrics_port: int) -> int | None:
    """Bytes of the frames of those events; None while it does not answer."""
    return _metric_sum(metrics_port, "bluelake_ingest_bytes_total ")


def _metric_sum(port: int, prefix: str) -> int | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
            lines = response.read().decode().splitlines()
    except OSError:
        return None
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith(prefix)))


def wait(condition: Callable[[], object], what: str, poll_seconds: float = 0.2) -> None:
    """Wait until `condition` holds, looking every `poll_seconds`. Raises RuntimeError after five minutes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {PATIENCE_SECONDS:.0f} s")
        time.sleep(poll_seconds)
