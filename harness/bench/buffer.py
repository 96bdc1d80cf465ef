"""What an event takes in Redis at the network's live rate, by Redis' own count of its memory."""

import time
from pathlib import Path

import redis

from harness.bench.data import free_port, redis_server
from harness.bench.processes import ingester, python, received, received_bytes, running, settings_for, wait
from harness.bench.report import Figure

MUST_BYTES = 150
RATE = 600
# Before this Redis grows by what it takes for itself: its first blocks, the scripts, the connections.
_SETTLE_EVENTS = 5 * RATE
_MEASURED_EVENTS = 40 * RATE


def measure(folder: Path) -> list[Figure]:
    """Follow a simulator that serves RATE events a second, with the default settings, and never drain."""
    folder.mkdir()
    port = free_port()
    with (
        redis_server(folder) as url,
        running(python("harness.simulator", "--rate", str(RATE), "--port", str(port))),
        ingester(settings_for(folder, url), port, "30s") as (_, metrics_port),
    ):
        client = redis.Redis.from_url(url)

        def used() -> tuple[int, int, float]:
            return int(client.info("memory")["used_memory"]), received(metrics_port) or 0, time.monotonic()

        wait(lambda: (received(metrics_port) or 0) >= _SETTLE_EVENTS, "the first events")
        before, first, began = used()
        wait(lambda: (received(metrics_port) or 0) >= first + _MEASURED_EVENTS, "the measured events")
        after, last, ended = used()
        client.close()
        raw = (received_bytes(metrics_port) or 0) / (received(metrics_port) or 1)
    each = (after - before) / (last - first)
    return [
        Figure(
            f"buffer memory an event, live, {(last - first) / (ended - began):,.0f} events/s",
            f"{each:.0f} bytes in Redis",
            f"raw JSON: {raw:.0f}",
            f"≤ {MUST_BYTES} bytes",
            each <= MUST_BYTES,
        )
    ]
