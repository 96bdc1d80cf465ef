"""Search over the current posts, and the export of what it finds."""

from bluelake.lake.search.api import export, search
from bluelake.lake.search.export import EXPORT_COLUMNS, export_posts
from bluelake.lake.search.params import (
    EXPORT_PARAMETERS,
    SEARCH_PARAMETERS,
    positive_number,
    read_query_string,
    search_query,
    search_request,
)
from bluelake.lake.search.scan import Post
from bluelake.lake.search.searcher import PAGE_SIZE, Searcher, SearchPage
from bluelake.lake.search.terms import ParameterError, SearchQuery

__all__ = [
    "EXPORT_COLUMNS",
    "EXPORT_PARAMETERS",
    "PAGE_SIZE",
    "SEARCH_PARAMETERS",
    "ParameterError",
    "Post",
    "SearchPage",
    "SearchQuery",
    "Searcher",
    "export",
    "export_posts",
    "positive_number",
    "read_query_string",
    "search",
    "search_query",
    "search_request",
]
