"""Seal: an hour of three million events, every table, in a process of its own, with searches beside it."""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from bench.data import redis_server
from bench.drain import fill
from bench.report import Figure
from core.settings import Settings, load_settings
from lake.errors import LakeError
from lake.relations import scan
from lake.search import Searcher
from lake.search_terms import SearchQuery
from lake.store import Store
from lake.tables import TABLES

MUST_SECONDS = 60.0
MUST_RSS_MB = 2500
MUST_STORED = 0.12


def measure(folder: Path, frames: Path) -> list[Figure]:
    """Drain `frames`, which fill an hour, and seal that hour."""
    home = folder / "home"
    home.mkdir(parents=True)
    with redis_server(home) as url:
        count = fill(url, frames, folder)
        environment = {**os.environ, "BLUELAKE_HOME": str(home), "REDIS_URL": url, "LOG_LEVEL": "ERROR"}
        subprocess.run([sys.executable, "-m", "cli", "drain"], env=environment, check=True, capture_output=True)
    raw = sum(len(line) - 1 for line in frames.open("rb"))
    settings = Settings(bluelake_home=home)
    reference = _sort(Store(settings.lake_dir), folder)
    searches = _Searches(settings)
    searches.start()
    done = subprocess.run(
        [sys.executable, "-m", "bench.seal"], env=environment, check=True, capture_output=True, text=True
    )
    searches.stop()
    result = json.loads(done.stdout.splitlines()[-1])
    share = result["stored"] / raw
    return [
        Figure(
            f"seal of an hour of {count:,} events, all tables, searches beside it",
            f"{result['seconds']:.1f} s, {result['rss_mb']:,} MB RSS",
            f"DuckDB, the same rows sorted into Parquet, zstd 9: {reference:.1f} s",
            f"< {MUST_SECONDS:.0f} s, < {MUST_RSS_MB:,} MB",
            result["seconds"] < MUST_SECONDS and result["rss_mb"] < MUST_RSS_MB,
        ),
        Figure(
            "stored bytes an event, all tables, sealed",
            f"{result['stored'] / count:.1f} ({share:.1%})",
            f"raw JSON: {raw / count:.0f}",
            f"≤ {MUST_STORED:.0%}",
            share <= MUST_STORED,
        ),
        Figure(
            "searches that failed during the seal",
            f"{searches.failed} of {searches.made}",
            "",
            "0",
            not searches.failed,
        ),
    ]


class _Searches(threading.Thread):
    """Searches without a pause until it is stopped."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._searcher = Searcher(Store(settings.lake_dir), settings)
        self._stopped = threading.Event()
        self.made = self.failed = 0

    def run(self) -> None:
        """Search for what is found often."""
        while not self._stopped.is_set():
            self.made += 1
            try:
                self._searcher.search(SearchQuery(text="the"))
            except LakeError:
                self.failed += 1
            self._stopped.wait(0.5)

    def stop(self) -> None:
        """End it, and wait for its last search."""
        self._stopped.set()
        self.join()


def _sort(store: Store, folder: Path) -> float:
    """Seconds that DuckDB takes to sort the same rows into Parquet files."""
    connection = duckdb.connect(config={"threads": load_settings().duckdb_threads, "memory_limit": "2GB"})
    started = time.perf_counter()
    for table in TABLES.values():
        if "rkey" in table.column_names:
            ordered = f"FROM {scan(table, store.files(table.name))} ORDER BY did, rkey"
            target = folder / f"{table.name}.parquet"
            connection.execute(f"COPY ({ordered}) TO '{target}' (COMPRESSION zstd, COMPRESSION_LEVEL 9)")
    return time.perf_counter() - started


def _seal() -> None:
    from lake.seal import seal

    settings = load_settings()
    started = time.perf_counter()
    # Nothing is purged, so that what is stored is of all events.
    done = seal(settings.model_copy(update={"bluelake_deletions": "keep"}), datetime.now(UTC))
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "stored": sum(hour.size_bytes for hour in done),
            }
        )
    )


if __name__ == "__main__":
    _seal()
