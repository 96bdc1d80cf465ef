"""One search over one snapshot of the lake: the newest hours first, in groups that grow, until enough is known.

In each group it finds the posts that match by themselves, and only for those looks at what supersedes them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from bluelake.core.clock import to_datetime
from bluelake.lake.delta import DataFile
from bluelake.lake.hours import HOUR_US, Hour
from bluelake.lake.query import (
    BEGINNING_US,
    END_US,
    between,
    current_rows,
    query,
    replacing_files,
    replacing_rows,
    scan,
    statement,
    where,
    within,
)
from bluelake.lake.search.accounts import HIDDEN
from bluelake.lake.search.prefilter import matching_rows
from bluelake.lake.search.terms import SearchQuery, Terms
from bluelake.lake.tables import POSTS

# A group of hours is closed once it has this many posts; each group takes twice as many as the one before.
FIRST_GROUP_ROWS = 150_000
LARGEST_GROUP_ROWS = 5_000_000
# So many matches are looked up even where more are wanted: a page far back must not fill the disk.
MOST_MATCHES = 500_000
_STREAM_ROWS = 5_000
# The columns of bluelake/lake/search/sql/search_matches.sql.
_MATCHED = ("did", "rkey", "rev", "operation", "event_at", "created_at", "text", "langs", "hashtags")
# Texts of one batch may be more than 2 GB, where many are as long as a frame may be.
_PREFILTERED = pa.schema([POSTS.schema.field(name) for name in _MATCHED]).set(
    _MATCHED.index("text"), pa.field("text", pa.large_string())
)


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
class Snapshot:
    """The live files of each table, as they were at one moment."""

    tables: Mapping[str, tuple[DataFile, ...]]

    def files(self, name: str) -> tuple[DataFile, ...]:
        """The live files of table `name`."""
        return self.tables[name]


@dataclass(frozen=True)
class _Span:
    """Some hours: their files, and start_us <= event_at < end_us."""

    files: tuple[DataFile, ...]
    start_us: int
    end_us: int


class Scan:
    """One query over one snapshot, on a cursor of its own. `groups` goes through it; in between, `posts` reads."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        asked: SearchQuery,
        data_through: datetime | None,
        margin_us: int,
    ) -> None:
        self.data_through = data_through
        self._cursor = cursor
        self._snapshot = snapshot
        self._query = asked
        self._margin_us = margin_us
        cursor.execute("SET TimeZone = 'UTC'")
        self._username, self._did = self._account()
        self._terms = Terms(asked, self._did)
        self._of_author = "(did = $did)" if self._did is not None else ""

    def groups(self, wanted: int, *, growing: bool = True) -> Iterator[int]:
        """How many posts each group of hours contributes, newest first, looked at once there may be `wanted` in all, or many.

        `growing`: False keeps all groups as small as the first, for who takes every row of each.
        """
        if self._username and self._did is None:
            return
        edits = self._find_edits()
        matches, end_us = 0, self._query.end_us
        for span in self._spans(LARGEST_GROUP_ROWS if growing else FIRST_GROUP_ROWS):
            matching = _own_rows(self._rows(span), span)
            text = query(__file__, "search_matches", matching=matching)
            matches += self._create("matches", text, append=matches > 0)
            if matches >= min(wanted, MOST_MATCHES):
                found = self._look_up(span.start_us, end_us)
                wanted, matches, end_us = wanted - found, 0, span.start_us
                yield found
        if (matches or edits) and end_us > self._query.start_us:
            yield self._look_up(self._query.start_us, end_us)

    def _rows(self, span: _Span) -> str:
        """A relation of the rows of a span's files that match by themselves. It can be read once."""
        if not self._terms.asks_texts:
            return where(scan(POSTS, span.files), self._of_author)
        self._cursor.register("prefiltered", matching_rows(span.files, _PREFILTERED, self._terms))
        return "prefiltered"

    def _look_up(self, start_us: int, end_us: int) -> int:
        """Leave, of the matches of some hours, what is current. Returns how many posts that are."""
        current = current_rows(
            self._snapshot,
            "posts",
            start_us,
            end_us,
            self._margin_us,
            candidates="matches",
            hidden=HIDDEN,
            edited=False,
        )
        edits = within("edits", start_us, end_us)
        return self._create("found", query(__file__, "search_found", current_matches=current, edits_of_hours=edits))

    def posts(self, offset: int, limit: int) -> Iterator[Post]:
        """A slice of the posts of the group that `groups` is at."""
        self._cursor.execute(statement(__file__, "search_rows"), {"offset": offset, "limit": limit})
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
        row = self._cursor.execute(statement(__file__, "search_did_of_handle"), {"handle": handle}).fetchone()
        return handle, row[0] if row else None

    def _has_posts(self, did: str) -> bool:
        rows = scan(POSTS, self._snapshot.files("posts"))
        return self._cursor.execute(f"SELECT 1 FROM {rows} WHERE did = ? LIMIT 1", [did]).fetchone() is not None

    def _find_edits(self) -> bool:
        """Find, for all groups at once, the posts that match by a later text; hardly any post is ever updated."""
        asked, posts = self._query, self._snapshot.files("posts")
        updated = replacing_files(POSTS, between(posts, asked.start_us - self._margin_us, END_US))
        matching = scan(POSTS, [])
        if updated and any(True for _ in self._matching(replacing_rows(POSTS, scan(POSTS, updated)))):
            edited = current_rows(
                self._snapshot,
                "posts",
                asked.start_us,
                asked.end_us,
                self._margin_us,
                candidates=scan(POSTS, []),
                hidden=HIDDEN,
            )
            if found := list(self._matching(edited)):
                self._cursor.register("edited", pa.concat_tables(found))
                matching = "edited"
        return self._create("edits", query(__file__, "search_edits", matching=matching)) > 0

    def _matching(self, relation: str) -> Iterator[pa.Table]:
        """Those rows of `relation` that match, a table for each part of them."""
        rows = where(relation, self._of_author)
        reader = self._cursor.execute(f"SELECT * FROM {rows}", self._parameters(rows)).to_arrow_reader(_STREAM_ROWS)
        for batch in reader:
            if (found := self._terms.matching(pa.Table.from_batches([batch]))).num_rows:
                yield found

    def _spans(self, largest: int) -> Iterator[_Span]:
        asked = self._query
        hours: dict[Hour, list[DataFile]] = {}
        for file in between(self._snapshot.files("posts"), asked.start_us, asked.end_us):
            hours.setdefault(file.hour, []).append(file)
        end_us, budget = asked.end_us, FIRST_GROUP_ROWS
        files: list[DataFile] = []
        for hour in sorted(hours, reverse=True):
            files += hours[hour]
            if sum(file.rows for file in files) >= budget:
                start_us = max(asked.start_us, hour.start_us)
                yield _Span(tuple(files), start_us, end_us)
                end_us, files, budget = start_us, [], min(2 * budget, largest)
        if files:
            yield _Span(tuple(files), asked.start_us, end_us)

    def _create(self, table: str, text: str, *, append: bool = False) -> int:
        """Fill a temporary table from a query, anew unless `append`. Returns how many rows the query gave."""
        target = f"INSERT INTO {table}" if append else f"CREATE OR REPLACE TEMP TABLE {table} AS"
        return int(self._cursor.execute(f"{target} {text}", self._parameters(text)).fetchall()[0][0])

    def _parameters(self, text: str) -> dict[str, str]:
        """What the SQL of `text` asks for."""
        return {"did": self._did} if self._did is not None and "$did" in text else {}


def _own_rows(rows: str, span: _Span) -> str:
    """Of `rows`, a relation of the rows of the span's files, those first versions that lie within the span."""
    if any(bound % HOUR_US for bound in (span.start_us, span.end_us) if bound not in (BEGINNING_US, END_US)):
        rows = within(rows, span.start_us, span.end_us)
    if any(file.greatest.get("operation") == "update" for file in span.files):
        rows = where(rows, "operation <> 'update'")
    return rows
