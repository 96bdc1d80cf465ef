"""Seal: an hour of three million events, every table, in a process of its own, with searches beside it.

Time and memory are those of a seal that purges, as by default. What is left then are fewer rows than there were events, so
that bytes an event are measured on a copy of the same hour that is sealed without the purge.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from bluelake.core.settings import Settings, load_settings
from bluelake.lake.delta import Store
from bluelake.lake.query import scan
from bluelake.lake.search import Searcher, SearchQuery
from bluelake.lake.tables import TABLES
from harness.bench.data import redis_server
from harness.bench.drain import fill
from harness.bench.report import Figure

MUST_SECONDS = 60.0
MUST_RSS_MB = 2500
MUST_STORED = 0.12
SEARCHERS = 4
_PAUSE_SECONDS = 0.5


def measure(folder: Path, frames: Path) -> list[Figure]:
    """Drain `frames`, which fill an hour, and seal that hour; and a copy of it, for what all of its events take."""
    home = folder / "home"
    home.mkdir(parents=True)
    with redis_server(home) as url:
        count = fill(url, frames, folder)
        environment = {**os.environ, "BLUELAKE_HOME": str(home), "REDIS_URL": url, "LOG_LEVEL": "ERROR"}
        subprocess.run([sys.executable, "-m", "bluelake", "drain"], env=environment, check=True, capture_output=True)
    raw = sum(len(line) - 1 for line in frames.open("rb"))
    settings = Settings(bluelake_home=home)
    reference = _sort(Store(settings.lake_dir), folder)
    whole = folder / "whole"
    shutil.copytree(settings.lake_dir, Settings(bluelake_home=whole).lake_dir)
    shutil.copy(settings.watermark_path, whole)
    searches = _Searches(settings)
    searches.start()
    result = _sealed(environment, home, "purge")
    searches.stop()
    stored = _sealed(environment, whole, "keep")["stored"]
    share, purged = stored / raw, result["rows_before"] - result["rows"]
    return [
        Figure(
            f"seal of an hour of {count:,} events, all tables, with the purge, {SEARCHERS} searches at a time beside it",
            f"{result['seconds']:.1f} s, {result['rss_mb']:,} MB RSS",
            f"DuckDB, the same rows sorted into Parquet, zstd 9, nothing purged: {reference:.1f} s",
            f"< {MUST_SECONDS:.0f} s, < {MUST_RSS_MB:,} MB",
            result["seconds"] < MUST_SECONDS and result["rss_mb"] < MUST_RSS_MB,
        ),
        Figure(
            "stored bytes an event, all tables, sealed without the purge",
            f"{stored / count:.1f} ({share:.1%})",
            f"raw JSON: {raw / count:.0f}; the purge took {purged:,} rows and left {result['stored'] / stored:.0%} of the bytes",
            f"≤ {MUST_STORED:.0%}",
            share <= MUST_STORED,
        ),
        Figure(
            f"searches that failed during the seal, {SEARCHERS} at a time",
            f"{searches.failed} of {searches.made}",
            "",
            "0",
            not searches.failed,
        ),
    ]


class _Searches:
    """SEARCHERS threads that search one lake, as those of a web server do, until they are stopped."""

    def __init__(self, settings: Settings) -> None:
        self._searcher = Searcher(Store(settings.lake_dir), settings)
        self._stopped, self._counting = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._search) for _ in range(SEARCHERS)]
        self.made = self.failed = 0

    def start(self) -> None:
        """Begin to search."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End it, and wait for the last searches."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _search(self) -> None:
        while not self._stopped.is_set():
            failed = False
            try:
                # For what is found often.
                self._searcher.search(SearchQuery(text="the"))
            except Exception as error:
                failed = True
                print(f"bench: a search failed: {error!r}", file=sys.stderr)
            with self._counting:
                self.made += 1
                self.failed += failed
            self._stopped.wait(_PAUSE_SECONDS)


def _sealed(environment: Mapping[str, str], home: Path, deletions: str) -> dict[str, Any]:
    """What `_seal` tells of the lake in `home`, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.bench.seal"],
        env={**environment, "BLUELAKE_HOME": str(home), "BLUELAKE_DELETIONS": deletions},
        check=True,
        capture_output=True,
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


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
    from bluelake.lake.compaction import seal

    settings = load_settings()
    started = time.perf_counter()
    done = seal(settings, datetime.now(UTC))
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "rows_before": sum(hour.rows_before for hour in done),
                "rows": sum(hour.rows for hour in done),
                "stored": sum(hour.size_bytes for hour in done),
            }
        )
    )


if __name__ == "__main__":
    _seal()
