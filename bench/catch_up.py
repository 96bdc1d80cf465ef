"""After an outage: an hour of events from a simulator's replay through the ingester and drains beside it, then its seal."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.data import free_port, redis_server
from bench.processes import PATIENCE_SECONDS, finish, frames_server, ingester, python, received, settings_for, wait
from bench.report import Figure
from core.settings import Settings
from lake.search import Searcher, SearchQuery
from lake.store import Store
from lake.tables import EVENT_TABLES

MUST_RATE = 30_000
MUST_SEAL_SECONDS = 60.0
MUST_SEAL_RSS_MB = 2560
MUST_SEALED_SHARE = 0.12


def measure(folder: Path, frames: Path, count: int) -> list[Figure]:
    """`frames`: `count` events of one hour that has passed, a line each."""
    folder.mkdir()
    with redis_server(folder) as url:
        environment = settings_for(folder, url)
        seconds, drains = _catch_up(environment, frames, count)
    raw = frames.stat().st_size
    drained = _stored_bytes(folder)
    with _searching(folder) as searched:
        sealed = finish(python("cli", "seal"), environment)
    stored = _stored_bytes(folder)
    return [
        Figure(
            f"catch-up of {count / 1e6:.1f} million events, from the first connection to the last commit",
            f"{count / seconds:,.0f} events/s",
            f"{drains} drains beside it; all of it {seconds:.0f} s",
            f"≥ {MUST_RATE:,} events/s",
            count / seconds >= MUST_RATE,
        ),
        Figure(
            f"seal of that hour ({searched['answers']} searches during it, {searched['failures']} failed)",
            f"{sealed.seconds:.1f} s, {sealed.rss_mb:,} MB RSS",
            f"{raw / 1e6:,.0f} MB of JSON, {drained / 1e6:,.0f} MB as drained",
            f"< {MUST_SEAL_SECONDS:.0f} s, < {MUST_SEAL_RSS_MB:,} MB, no search fails",
            sealed.seconds < MUST_SEAL_SECONDS and sealed.rss_mb < MUST_SEAL_RSS_MB and not searched["failures"],
        ),
        Figure(
            "stored bytes an event, all tables, sealed",
            f"{stored / count:.1f} ({stored / raw:.1%})",
            f"raw JSON: {raw / count:.0f}; as drained: {drained / count:.1f} ({drained / raw:.1%})",
            f"≤ {MUST_SEALED_SHARE:.0%}",
            stored <= MUST_SEALED_SHARE * raw,
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
                batches = json.loads(finish(python("cli", "drain", "--json"), environment).output)
                committed += sum(batch["events"] for batch in batches)
                drains += 1
            return time.perf_counter() - started, drains


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _stored_bytes(home: Path) -> int:
    store = Store(home / "lake")
    return sum(file.size_bytes for table in EVENT_TABLES for file in store.files(table.name))


@contextmanager
def _searching(home: Path) -> Iterator[dict[str, int]]:
    """Search in a loop beside the block. Counts `answers` and `failures`."""
    counted = {"answers": 0, "failures": 0}
    done = threading.Event()
    settings = Settings(bluelake_home=home)

    def search() -> None:
        searcher = Searcher(Store(settings.lake_dir), settings)
        words = ["the", "zz", "", "a", "あ"]
        while not done.is_set():
            try:
                searcher.search(SearchQuery(text=words[counted["answers"] % len(words)]))
                counted["answers"] += 1
            except Exception:
                counted["failures"] += 1
            # Half a core for the searches, as from a handful of visitors.
            done.wait(0.5)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield counted
    finally:
        done.set()
        thread.join()
