"""The rows of an export: what a search finds, whole, as the columns of a CSV file."""

from collections.abc import Iterator
from dataclasses import dataclass

from bluelake.core.settings import Settings
from bluelake.lake.search.scan import Post
from bluelake.lake.search.searcher import ROW_CAP, Searcher
from bluelake.lake.search.terms import SearchQuery

EXPORT_COLUMNS = ("id", "timestamp", "created_at", "did", "username", "text", "langs", "hashtags", "url")


@dataclass(frozen=True)
class Export:
    """The rows, in the order of a search, each with the values of `EXPORT_COLUMNS`; `capped`: there are more."""

    rows: Iterator[tuple[object, ...]]
    capped: bool


def export_posts(searcher: Searcher, settings: Settings, query: SearchQuery) -> Export:
    """Every post that `query` finds; at most 1,000 while `MAX_ROWS_FLAG` is on.

    Without the cap the rows are read as they are taken, a group of hours at a time. Raises LakeUnavailableError, here
    or, without the cap, while rows are taken.
    """
    if settings.max_rows_flag:
        page = searcher.search(query, page_size=ROW_CAP, cap=ROW_CAP, rows_capped=True)
        return Export(map(_row, page.posts), page.capped)
    return Export(map(_row, searcher.stream(query)), False)


def _row(post: Post) -> tuple[object, ...]:
    return (
        post.uri,
        post.event_at,
        post.created_at,
        post.did,
        post.username,
        post.text,
        post.langs,
        post.hashtags,
        post.url,
    )
