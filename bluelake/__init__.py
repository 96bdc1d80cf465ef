"""The Bluesky firehose as a lake of Parquet.

    import bluelake
    bluelake.load("posts", "2026-07-04", "2026-07-05").collect()

Settings come from the environment (docs/settings.md): BLUELAKE_HOME names the lake. Every function also takes `settings`, for
a lake elsewhere. Every process imports this module, so each function imports what it needs when it is called.

Each raises ConfigurationError where BLUELAKE_HOME is no folder, and a BluelakeError with one line of explanation for
everything else that goes wrong with the lake.
"""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import polars as pl

    from bluelake.core.settings import Settings
    from bluelake.lake.query import Result
    from bluelake.lake.search import SearchPage
    from bluelake.lake.status import Part
    from bluelake.lake.views import ViewInfo, ViewPage

__all__ = ["Exported", "export", "load", "search", "sql", "status", "view", "views"]

# A date, a time (UTC where it has no zone), or either as text: YYYY-MM-DD, RFC 3339.
Moment = date | datetime | str


@dataclass(frozen=True)
class Exported:
    """How many posts an export wrote. `capped`: there are more, which MAX_ROWS_FLAG=false exports too."""

    posts: int
    capped: bool


def load(
    table: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    current: bool = True,
    settings: "Settings | None" = None,
) -> "pl.LazyFrame":
    """The rows of `table` with start <= event_at < end, as a Polars LazyFrame. It reads when you collect it.

    `current=False` gives every row, also of what was deleted or replaced, and takes no bounds.
    Raises QueryError for a table that does not exist, or a time that is none.

        likes = bluelake.load("likes", "2026-07-04", "2026-07-05")
        likes.group_by("subject_did", "subject_rkey").len().collect()
    """
    from bluelake.lake.query import load as run

    return run(table, start, end, current=current, settings=_ready(settings))


def search(
    text: str = "",
    *,
    username: str = "",
    start: Moment = "",
    end: Moment = "",
    exact: bool = False,
    page: int = 1,
    settings: "Settings | None" = None,
) -> "SearchPage":
    """Page `page` (from 1, of 50 posts) of the posts that match, the newest first.

    Every word of `text` must occur; `#tag` is a hashtag; `exact` looks for the phrase as written, in any case.
    `username`: a handle or a DID. `start` is inclusive. `end` is exclusive as a time, and includes that day as a date.
    Raises ParameterError for a value that cannot be used, LakeUnavailableError.

        for post in bluelake.search("good morning", start="2026-07-04").posts:
            print(post.event_at, post.text)
    """
    from bluelake.lake.search import search as run

    return run(_ready(settings), text, **_filters(username, start, end, exact), page=page)


def export(
    text: str = "",
    *,
    output: Path | str,
    username: str = "",
    start: Moment = "",
    end: Moment = "",
    exact: bool = False,
    settings: "Settings | None" = None,
) -> Exported:
    """Write the posts that a search finds to the file `output` as CSV: the first 1,000, or all with MAX_ROWS_FLAG=false.

    The other parameters and the errors are those of `search`; also OSError.

        bluelake.export("good morning", output="posts.csv")
    """
    from bluelake.cli.output import write_csv
    from bluelake.lake.search import EXPORT_COLUMNS
    from bluelake.lake.search import export as run

    found = run(_ready(settings), text, **_filters(username, start, end, exact))
    return Exported(write_csv(EXPORT_COLUMNS, found.rows, Path(output)), found.capped)


def sql(query: str, *, settings: "Settings | None" = None) -> "Result":
    """Run one query of DuckDB over the lake, read-only. `posts` holds the current rows, `posts_all` every row.

    The result has `columns` (names) and `rows` (tuples of Python values). Raises QueryError with DuckDB's reason.

        bluelake.sql("SELECT collection, count(*) FROM deletes GROUP BY 1").rows
    """
    from bluelake.lake.query import run_sql

    return run_sql(_ready(settings), query)


def status(*, settings: "Settings | None" = None) -> "list[Part]":
    """Each part of the installation: its name, whether it is well, a word, and one line for a person.

    {part.name: part.state for part in bluelake.status()}
    """
    from bluelake.lake.status import status as run

    return run(_ready(settings))


def views(*, settings: "Settings | None" = None) -> "list[ViewInfo]":
    """The published cached views: name, description, columns and number of rows. Empty before the first refresh.

    [view.name for view in bluelake.views()]
    """
    from bluelake.lake.views import current

    published = current(_ready(settings))
    return [] if published is None else list(published.views)


def view(name: str, *, limit: int = 20, offset: int = 0, settings: "Settings | None" = None) -> "ViewPage":
    """Rows `offset` to `offset + limit` of a published view, in its own order. The result has `columns` and `rows`.

    Raises NoViewsError, UnknownViewError.

        bluelake.view("trending_hashtags_daily", limit=10).rows
    """
    from bluelake.lake.views import read

    return read(_ready(settings), name, limit, offset)


def _ready(settings: "Settings | None") -> "Settings":
    """`settings`, or those of the environment, with a home that is there. Raises ConfigurationError."""
    from bluelake.core.settings import load_settings, require_home

    chosen = settings or load_settings()
    require_home(chosen, create=False)
    return chosen


class _Filters(TypedDict):
    username: str
    start: str
    end: str
    exact: bool


def _filters(username: str, start: Moment, end: Moment, exact: bool) -> _Filters:
    return {"username": username, "start": _text(start), "end": _text(end), "exact": exact}


def _text(moment: Moment) -> str:
    return moment if isinstance(moment, str) else moment.isoformat()
