"""One search, or one export, of the lake of `settings`: for callers that do not keep a searcher open."""

from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.search.export import Export, export_posts
from bluelake.lake.search.params import search_query
from bluelake.lake.search.searcher import Searcher, SearchPage


def search(
    settings: Settings,
    text: str = "",
    *,
    username: str = "",
    start: str = "",
    end: str = "",
    exact: bool = False,
    page: int = 1,
) -> SearchPage:
    """Page `page` of the posts that match, newest first; a page below 1 is the first.

    The texts are those of the API's parameters (docs/api.md). Raises ParameterError, LakeUnavailableError.
    """
    query = search_query(text=text, username=username, start=start, end=end, exact=exact)
    return Searcher(Store(settings.lake_dir), settings).search(query, page=max(page, 1))


def export(
    settings: Settings, text: str = "", *, username: str = "", start: str = "", end: str = "", exact: bool = False
) -> Export:
    """Every post that matches, newest first; at most 1,000 while MAX_ROWS_FLAG is on.

    The texts are those of `search`. Raises ParameterError, LakeUnavailableError; the latter also while rows are taken.
    """
    query = search_query(text=text, username=username, start=start, end=end, exact=exact)
    return export_posts(Searcher(Store(settings.lake_dir), settings), settings, query)
