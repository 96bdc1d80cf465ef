"""Search over the current posts: the interface that an inverted index can fill, and the scan that fills it now."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import duckdb
from deltalake.exceptions import DeltaError

from bluelake.core.clock import to_datetime
from bluelake.core.settings import Settings
from bluelake.lake.delta import DataFile, Store
from bluelake.lake.errors import LakeUnavailableError
from bluelake.lake.query import connect, ensure_spill, scan
from bluelake.lake.search.accounts import Accounts
from bluelake.lake.search.scan import Post, Scan, Snapshot
from bluelake.lake.search.terms import SearchQuery
from bluelake.lake.tables import BATCHES

PAGE_SIZE = 50
ROW_CAP = 1_000
TOTAL_CAP = 10_000
_NEWEST_BATCHES = 16


@dataclass(frozen=True)
class SearchPage:
    """One page of a result.

    `total`: matches, counted up to the cap; `capped`: there are more. `data_through`: the time of the newest event in
    the lake, None while there is none. `notice`: what a person should know, or None. `has_next`: the next page has rows.
    """

    posts: list[Post]
    total: int
    capped: bool
    data_through: datetime | None
    notice: str | None
    has_next: bool


class _Opened:
    """What searches share once the first one has come."""

    def __init__(self, settings: Settings) -> None:
        self.connection = connect(settings, memory_mb=settings.web_duckdb_memory_mb)
        self.accounts = Accounts(self.connection)


class Searcher:
    """Searches the lake of a `Store`. Safe for threads; nothing of delta-rs or DuckDB is made before the first search,
    so that a server may make one and fork."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        self._data_through: tuple[tuple[DataFile, ...], datetime | None] | None = None

    def search(
        self,
        query: SearchQuery,
        *,
        page: int = 1,
        page_size: int = PAGE_SIZE,
        cap: int | None = None,
        rows_capped: bool | None = None,
    ) -> SearchPage:
        """Page `page` (from 1) of the posts that match, newest first, then by did and rkey.

        `cap`: how far matches are counted; `rows_capped`: whether rows past it are withheld. Both default to what
        MAX_ROWS_FLAG says. Raises LakeUnavailableError.
        """
        rows_capped = self._settings.max_rows_flag if rows_capped is None else rows_capped
        cap = cap or (ROW_CAP if rows_capped else TOTAL_CAP)
        first, last = (page - 1) * page_size, page * page_size
        if rows_capped:
            last = min(last, cap)
        with self._scan(query) as scan_:
            posts: list[Post] = []
            seen = 0
            for found in scan_.groups(max(cap, last) + 1):
                begins, ends = max(first - seen, 0), min(last - seen, found)
                if begins < ends:
                    posts += scan_.posts(begins, ends - begins)
                seen += found
                if seen > max(cap, last):
                    break
            notice = scan_.notice(seen)
            has_next = seen > last and not (rows_capped and last >= cap)
            return SearchPage(posts, min(seen, cap), seen > cap, scan_.data_through, notice, has_next)

    def warm_up(self) -> None:
        """Open the lake before the first search does. Raises LakeUnavailableError."""
        with self._scan(SearchQuery()):
            pass

    def stream(self, query: SearchQuery) -> Iterator[Post]:
        """Every post that matches, in the order of `search`, holding few of them in memory."""
        with self._scan(query) as scan_:
            for found in scan_.groups(0, growing=False):
                yield from scan_.posts(0, found)

    @contextmanager
    def _scan(self, query: SearchQuery) -> Iterator[Scan]:
        cursor = None
        try:
            with self._lock:
                opened = self._opened = self._opened or _Opened(self._settings)
                ensure_spill(opened.connection, self._settings)
                # Tables that a drain commits later are read later: no post is seen without what it commits with it.
                names = ("batches", "posts", "deletes", "replacements", "accounts")
                snapshot = Snapshot({name: self._store.files(name) for name in names})
                opened.accounts.refresh(snapshot.files("accounts"))
                data_through = self._newest_event(opened.connection, snapshot)
                cursor = opened.connection.cursor()
            margin_us = self._settings.dedupe_margin_us
            yield Scan(cursor, snapshot, query, data_through, margin_us)
        except (duckdb.Error, DeltaError, OSError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise LakeUnavailableError(f"the lake at {self._store.root} cannot be read now: {reason}") from error
        finally:
            if cursor is not None:
                cursor.close()

    def _newest_event(self, connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> datetime | None:
        """The time of the newest event of the newest batches; without a batch, the bound of the newest post."""
        batches = snapshot.files("batches")
        if self._data_through is not None and self._data_through[0] is batches and batches:
            return self._data_through[1]
        newest = sorted(batches, key=lambda file: file.last_us)[-_NEWEST_BATCHES:]
        row = connection.execute(f"SELECT epoch_us(max(newest_event_at)) FROM {scan(BATCHES, newest)}").fetchone()
        event_us = row[0] if row else None
        if event_us is None:
            event_us = max((file.last_us for file in snapshot.files("posts")), default=None)
        moment = None if event_us is None else to_datetime(event_us)
        self._data_through = (batches, moment)
        return moment
