"""Search over the current posts: the interface that an inverted index can fill, and the scan that fills it now."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa
from deltalake.exceptions import DeltaError

from core.clock import to_datetime
from core.settings import Settings
from lake.duck import connect
from lake.errors import LakeError
from lake.folding import Folding
from lake.relations import scan, sql_template
from lake.search_scan import Post, Scan, Snapshot
from lake.search_terms import SearchQuery
from lake.store import DataFile, Store
from lake.tables import ACCOUNTS, BATCHES

PAGE_SIZE = 50
ROW_CAP = 1_000
TOTAL_CAP = 10_000
_NEWEST_BATCHES = 16


class SearchUnavailableError(LakeError):
    """The lake could not be read; the message says why."""


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


class _Accounts:
    """The newest handle and status of every account, kept up from one snapshot to the next by its new files."""

    def __init__(self) -> None:
        self._seen: frozenset[str] = frozenset()
        self._files: tuple[DataFile, ...] | None = None
        self.latest: pa.Table | None = None
        self.hidden: pa.Table | None = None

    def refresh(self, connection: duckdb.DuckDBPyConnection, files: tuple[DataFile, ...]) -> None:
        """Take in the files that are new. A file that was rewritten says what it said before."""
        if files is self._files:
            return
        known = f"(SELECT did, kind, handle, active, (event_at, seq) AS newest FROM {scan(ACCOUNTS, [])})"
        if self.latest is not None:
            connection.register("accounts_known", self.latest)
            known = "accounts_known"
        added = scan(ACCOUNTS, [file for file in files if file.path not in self._seen])
        statement = sql_template("search_accounts").format(known=known, added=added)
        self.latest = connection.execute(statement).to_arrow_table()
        connection.register("accounts_latest", self.latest)
        hidden = "SELECT did FROM accounts_latest WHERE kind = 'account' AND NOT active"
        self.hidden = connection.execute(hidden).to_arrow_table()
        self._seen, self._files = frozenset(file.path for file in files), files


class Searcher:
    """Searches the lake of a `Store`. Safe for threads; nothing of delta-rs or DuckDB is made before the first search,
    so that a server may make one and fork."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._folding: Folding | None = None
        self._accounts = _Accounts()
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
        MAX_ROWS_FLAG says. Raises SearchUnavailableError.
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
        """Open the lake before the first search does. Raises SearchUnavailableError."""
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
                if self._connection is None:
                    self._connection = connect(self._settings, memory_mb=self._settings.web_duckdb_memory_mb)
                    self._folding = Folding(self._connection)
                # Tables that a drain commits later are read later: no post is seen without what it commits with it.
                names = ("batches", "posts", "deletes", "accounts")
                snapshot = Snapshot({name: self._store.files(name) for name in names})
                self._accounts.refresh(self._connection, snapshot.files("accounts"))
                data_through = self._newest_event(snapshot)
                cursor = self._connection.cursor()
                cursor.register("accounts_latest", self._accounts.latest)
                cursor.register("accounts_hidden", self._accounts.hidden)
                assert self._folding is not None
            margin_us = int(self._settings.dedupe_margin_seconds * 1e6)
            yield Scan(cursor, snapshot, query, self._folding, data_through, margin_us)
        except (duckdb.Error, DeltaError, OSError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise SearchUnavailableError(f"the lake at {self._store.root} cannot be read now: {reason}") from error
        finally:
            if cursor is not None:
                cursor.close()

    def _newest_event(self, snapshot: Snapshot) -> datetime | None:
        """The time of the newest event of the newest batches; without a batch, the bound of the newest post."""
        batches = snapshot.files("batches")
        if self._data_through is not None and self._data_through[0] is batches and batches:
            return self._data_through[1]
        assert self._connection is not None
        newest = sorted(batches, key=lambda file: file.last_us)[-_NEWEST_BATCHES:]
        row = self._connection.execute(f"SELECT epoch_us(max(newest_event_at)) FROM {scan(BATCHES, newest)}").fetchone()
        event_us = row[0] if row else None
        if event_us is None:
            event_us = max((file.last_us for file in snapshot.files("posts")), default=None)
        moment = None if event_us is None else to_datetime(event_us)
        self._data_through = (batches, moment)
        return moment
