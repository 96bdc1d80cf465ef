"""A search over one day of four million posts for a rare word, beside a bare scan of the same column."""

import time
from pathlib import Path

import duckdb

from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.query import quote
from bluelake.lake.search import Searcher, SearchQuery
from harness.bench.data import DAY_US, RARE_WORD, make_day_of_posts
from harness.bench.report import Figure

MUST_SECONDS = 2.0
_DAY_US = 86_400_000_000


def measure(folder: Path, posts: int) -> list[Figure]:
    """Search a lake of one day; the first answer of a new process, and the next one."""
    folder.mkdir()
    settings = Settings(bluelake_home=folder)
    make_day_of_posts(settings, posts)
    store = Store(settings.lake_dir)
    query = SearchQuery(text=RARE_WORD, start_us=DAY_US, end_us=DAY_US + _DAY_US)
    searcher = Searcher(store, settings)
    started = time.perf_counter()
    page = searcher.search(query, page=1)
    first = time.perf_counter() - started
    started = time.perf_counter()
    searcher.search(query, page=1)
    second = time.perf_counter() - started
    scan = _scan(store, settings)
    return [
        Figure(
            f"one-day search, {posts / 1e6:.1f} million posts, rare word ({page.total} matches)",
            f"{first:.2f} s first, {second:.2f} s then",
            f"DuckDB, `contains(text, …)` over the same files: {scan:.2f} s",
            f"< {MUST_SECONDS:.0f} s",
            max(first, second) < MUST_SECONDS and page.total > 0,
        )
    ]


def _scan(store: Store, settings: Settings) -> float:
    files = ", ".join(quote(file.path) for file in store.files("posts"))
    connection = duckdb.connect(config={"threads": settings.duckdb_threads})
    started = time.perf_counter()
    connection.execute(f"SELECT count(*) FROM read_parquet([{files}]) WHERE contains(text, ?)", [RARE_WORD]).fetchall()
    return time.perf_counter() - started
