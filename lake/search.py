"""Search over the current posts: the interface that an inverted index can fill, and the scan that fills it now.

A scan takes the newest hours first, in groups that grow, until the page and the capped total are known. In each group
it finds the posts that match by themselves, and only for those looks at what supersedes them.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa
from deltalake.exceptions import DeltaError

from core.clock import to_datetime, to_us
from core.settings import Settings
from lake.duck import connect
from lake.errors import LakeError
from lake.folding import Folding
from lake.relations import BEGINNING_US, END_US, between, current_rows, scan, sql_template
from lake.store import DataFile, Store
from lake.tables import ACCOUNTS, BATCHES, POSTS

PAGE_SIZE = 50
ROW_CAP = 1_000
TOTAL_CAP = 10_000
MAX_TEXT = 1_000
HOUR_US = 3_600_000_000
# A group of hours is closed once it has this many posts; each group takes twice as many as the one before.
FIRST_GROUP_ROWS = 150_000
LARGEST_GROUP_ROWS = 5_000_000
_STREAM_ROWS = 5_000
_NEWEST_BATCHES = 16
_DID = re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]+")


class ParameterError(LakeError):
    """A parameter of a query has a value that it does not take."""

    exit_code = 2

    def __init__(self, parameter: str, value: str, reason: str) -> None:
        shown = value if len(value) <= 100 else value[:100] + "…"
        super().__init__(f"{parameter}={shown}: {reason}")
        self.parameter = parameter
        self.value = shown


class SearchUnavailableError(LakeError):
    """The lake could not be read; the message says why."""


@dataclass(frozen=True)
class SearchQuery:
    """What to look for; the default is every post.

    `text`: words that must all occur, `#tag` meaning a whole hashtag; with `exact` one phrase. `username`: a handle,
    with or without `@`, without a dot one of .bsky.social, or a DID. `start_us` <= event_at < `end_us`,
    microseconds since 1970. Raises ParameterError for what no text can be.
    """

    text: str = ""
    exact: bool = False
    username: str = ""
    start_us: int = BEGINNING_US
    end_us: int = END_US

    def __post_init__(self) -> None:
        for parameter, value in (("text", self.text), ("username", self.username)):
            if len(value) > MAX_TEXT:
                raise ParameterError(parameter, value, f"longer than {MAX_TEXT:,} characters")
            if "\0" in value:
                raise ParameterError(parameter, value.replace("\0", "\\0"), "holds a NUL character")
            if any("\ud800" <= character <= "\udfff" for character in value):
                shown = value.encode("utf-8", "backslashreplace").decode()
                raise ParameterError(parameter, shown, "holds half of a surrogate pair, which is no text")


@dataclass(frozen=True)
class Post:
    """One post as search shows it. `username`: the author's handle where it is known, else the DID. Times are UTC."""

    did: str
    rkey: str
    event_at: datetime
    created_at: datetime | None
    username: str
    text: str
    langs: tuple[str, ...]
    hashtags: tuple[str, ...]

    @property
    def uri(self) -> str:
        """The AT URI (https://atproto.com/specs/at-uri-scheme)."""
        return f"at://{self.did}/{POSTS.collection}/{self.rkey}"

    @property
    def url(self) -> str:
        """Where bsky.app shows the post."""
        return f"https://bsky.app/profile/{self.did}/post/{self.rkey}"


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


@dataclass(frozen=True)
class Snapshot:
    """The live files of each table, as they were at one moment."""

    tables: Mapping[str, tuple[DataFile, ...]]

    def files(self, name: str) -> tuple[DataFile, ...]:
        """The live files of table `name`."""
        return self.tables[name]


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


@dataclass(frozen=True)
class _Span:
    """Some hours: their files, and start_us <= event_at < end_us."""

    files: tuple[DataFile, ...]
    start_us: int
    end_us: int


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
            for found in scan_.groups(0, FIRST_GROUP_ROWS):
                yield from scan_.posts(0, found)

    @contextmanager
    def _scan(self, query: SearchQuery) -> Iterator["_Scan"]:
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
            yield _Scan(cursor, snapshot, query, self._folding, data_through, margin_us)
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


class _Scan:
    """One query over one snapshot, on a cursor of its own. `groups` goes through it; in between, `posts` reads."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        query: SearchQuery,
        folding: Folding,
        data_through: datetime | None,
        margin_us: int,
    ) -> None:
        self.data_through = data_through
        self._cursor = cursor
        self._snapshot = snapshot
        self._query = query
        self._margin_us = margin_us
        cursor.execute("SET TimeZone = 'UTC'")
        self._username, self._did = self._account()
        self._condition, self._parameters = _condition(query, self._did, folding)

    def groups(self, wanted: int, largest: int = LARGEST_GROUP_ROWS) -> Iterator[int]:
        """How many posts each group of hours contributes, newest first, looked at once there may be `wanted` in all."""
        if self._username and self._did is None:
            return
        edits = self._find_edits()
        matches, end_us = 0, self._query.end_us
        for span in self._spans(largest):
            statement = sql_template("search_matches").format(
                rows=scan(POSTS, span.files), own=_own_rows(span), condition=self._condition
            )
            matches += self._create("matches", statement, append=matches > 0)
            if matches >= wanted:
                found = self._look_up(span.start_us, end_us)
                wanted, matches, end_us = wanted - found, 0, span.start_us
                yield found
        if (matches or edits) and end_us > self._query.start_us:
            yield self._look_up(self._query.start_us, end_us)

    def _look_up(self, start_us: int, end_us: int) -> int:
        """Leave, of the matches of some hours, what is current. Returns how many posts that are."""
        current = current_rows(
            self._snapshot,
            "posts",
            start_us,
            end_us,
            self._margin_us,
            candidates="matches",
            hidden="accounts_hidden",
            edited=False,
        )
        statement = sql_template("search_found").format(current=current, within=_within(start_us, end_us))
        return self._create("found", statement)

    def posts(self, offset: int, limit: int) -> Iterator[Post]:
        """A slice of the posts of the group that `groups` is at."""
        self._cursor.execute(sql_template("search_rows").format(offset=offset, limit=limit))
        while rows := self._cursor.fetchmany(_STREAM_ROWS):
            for did, rkey, event_us, created_us, username, text, langs, hashtags in rows:
                created_at = None if created_us is None else to_datetime(created_us)
                yield Post(
                    did,
                    rkey,
                    to_datetime(event_us),
                    created_at,
                    username,
                    text,
                    tuple(langs or ()),
                    tuple(hashtags or ()),
                )

    def notice(self, seen: int) -> str | None:
        """What explains an empty result, or None."""
        if not self._snapshot.files("posts"):
            return "The lake holds no posts yet; a drain brings them every few minutes."
        if self._username and (self._did is None or (seen == 0 and not self._has_posts(self._did))):
            return f"No account {self._username} has been seen in the lake; a DID (did:plc:…) is always recognised."
        return None

    def _account(self) -> tuple[str, str | None]:
        """The user name in full, and its DID; None where no account has that handle."""
        name = self._query.username.strip().removeprefix("@").strip()
        if not name or name.startswith("did:"):
            return name, name or None
        handle = name.lower() if "." in name else f"{name.lower()}.bsky.social"
        row = self._cursor.execute(sql_template("search_did_of_handle"), {"handle": handle}).fetchone()
        return handle, row[0] if row else None

    def _has_posts(self, did: str) -> bool:
        rows = scan(POSTS, self._snapshot.files("posts"))
        return self._cursor.execute(f"SELECT 1 FROM {rows} WHERE did = ? LIMIT 1", [did]).fetchone() is not None

    def _find_edits(self) -> bool:
        """Find, for all groups at once, the posts that match by a later text; hardly any post is ever updated."""
        query, posts = self._query, self._snapshot.files("posts")
        updated = [
            file
            for file in between(posts, query.start_us - self._margin_us, END_US)
            if file.greatest.get("operation") == "update"
        ]
        edited = scan(POSTS, [])
        updates = f"SELECT 1 FROM {scan(POSTS, updated)} AS r WHERE operation = 'update' AND {self._condition} LIMIT 1"
        if updated and self._cursor.execute(updates, self._parameters).fetchone():
            edited = current_rows(
                self._snapshot,
                "posts",
                query.start_us,
                query.end_us,
                self._margin_us,
                candidates=scan(POSTS, []),
                hidden="accounts_hidden",
            )
        statement = sql_template("search_edits").format(edited=edited, condition=self._condition)
        return self._create("edits", statement) > 0

    def _spans(self, largest: int) -> Iterator[_Span]:
        query = self._query
        hours: dict[str, list[DataFile]] = {}
        for file in between(self._snapshot.files("posts"), query.start_us, query.end_us):
            hours.setdefault(file.hour, []).append(file)
        end_us, budget = query.end_us, FIRST_GROUP_ROWS
        files: list[DataFile] = []
        for hour in sorted(hours, reverse=True):
            files += hours[hour]
            if sum(file.rows for file in files) >= budget:
                start_us = max(query.start_us, to_us(datetime.fromisoformat(f"{hour}:00+00:00")))
                yield _Span(tuple(files), start_us, end_us)
                end_us, files, budget = start_us, [], min(2 * budget, largest)
        if files:
            yield _Span(tuple(files), query.start_us, end_us)

    def _create(self, table: str, statement: str, *, append: bool = False) -> int:
        """Fill a temporary table from a query, anew unless `append`. Returns how many rows the query gave."""
        target = f"INSERT INTO {table}" if append else f"CREATE OR REPLACE TEMP TABLE {table} AS"
        used = {name: value for name, value in self._parameters.items() if f"${name})" in statement}
        return int(self._cursor.execute(f"{target} {statement}", used).fetchall()[0][0])


def _own_rows(span: _Span) -> str:
    """What holds a span's own rows apart from others of its files; empty where whole hours of first versions do."""
    conditions = []
    if any(bound % HOUR_US for bound in (span.start_us, span.end_us) if bound not in (BEGINNING_US, END_US)):
        conditions.append(_within(span.start_us, span.end_us))
    if any(file.greatest.get("operation") == "update" for file in span.files):
        conditions.append("operation <> 'update'")
    return "".join(f"{condition} AND " for condition in conditions)


def _within(start_us: int, end_us: int) -> str:
    return f"event_at >= make_timestamptz({start_us}) AND event_at < make_timestamptz({end_us})"


def _condition(query: SearchQuery, did: str | None, folding: Folding) -> tuple[str, dict[str, str]]:
    """The SQL condition on a post's own columns, and its parameters."""
    conditions, parameters = ["true"], {}
    if did is not None:
        conditions.append("(did = $did)")
        parameters["did"] = did
    for i, (tag, needle) in enumerate(_needles(query, folding)):
        if tag:
            tags = f"list_transform(hashtags, lambda tag: {folding.folded_sql('tag', needle)})"
            conditions.append(f"len(hashtags) > 0 AND list_contains({tags}, $w{i})")
            parameters[f"w{i}"] = needle
        else:
            condition, bound = folding.contains_sql("text", needle, f"w{i}")
            conditions.append(condition)
            parameters.update(bound)
    return " AND ".join(conditions), parameters


def _needles(query: SearchQuery, folding: Folding) -> list[tuple[bool, str]]:
    """What has to occur, folded, and whether it is a hashtag. A word within another one is implied by it."""
    if query.exact:
        return [(False, folding.fold(query.text))] if query.text.strip() else []
    words = query.text.split()
    tags = [word[1:] for word in words if word[0] in "#＃" and len(word) > 1]
    plain = {folding.fold(word) for word in words if word[0] not in "#＃" or len(word) == 1}
    kept = [word for word in plain if not any(word in other for other in plain if other != word)]
    return [(True, tag) for tag in sorted({folding.fold(tag) for tag in tags})] + [
        (False, word) for word in sorted(kept, key=lambda word: (-len(word), word))
    ]
