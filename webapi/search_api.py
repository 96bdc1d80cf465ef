"""`GET /search` and `GET /export`."""

import time
from typing import Any
from urllib.parse import urlencode

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bluelake.lake.search import (
    EXPORT_COLUMNS,
    EXPORT_PARAMETERS,
    PAGE_SIZE,
    SEARCH_PARAMETERS,
    Post,
    export_posts,
    read_query_string,
    search_request,
)
from webapi.formats import csv_response, rfc3339
from webapi.lake_access import lake_access


class SearchView(APIView):  # type: ignore[misc]
    """One page of the posts that match."""

    def get(self, request: Request) -> Response:
        """Raises ParameterError, LakeUnavailableError; webapi/errors.py answers them."""
        began = time.perf_counter()
        values = read_query_string(request.META["QUERY_STRING"], SEARCH_PARAMETERS)
        asked = search_request(values)
        page = lake_access().searcher.search(asked.query, page=asked.page)
        meta: dict[str, Any] = {
            "count": len(page.posts),
            "page": asked.page,
            "page_size": PAGE_SIZE,
            "total": page.total,
            "capped": page.capped,
            "data_through": rfc3339(page.data_through),
            "took_ms": round((time.perf_counter() - began) * 1000),
        }
        if page.notice:
            meta["notice"] = page.notice
        return Response(
            {
                "results": [post_json(post) for post in page.posts],
                "meta": meta,
                "next": _page_url(request, values, asked.page + 1) if page.has_next else None,
                "previous": _page_url(request, values, asked.page - 1) if asked.page > 1 else None,
            }
        )


class ExportView(APIView):  # type: ignore[misc]
    """Every post that matches, as CSV."""

    def get(self, request: Request) -> StreamingHttpResponse:
        """Raises ParameterError, LakeUnavailableError; webapi/errors.py answers them."""
        asked = search_request(read_query_string(request.META["QUERY_STRING"], EXPORT_PARAMETERS))
        access = lake_access()
        result = export_posts(access.searcher, access.settings, asked.query)
        response = csv_response(EXPORT_COLUMNS, result.rows, "bluelake-posts.csv")
        if result.capped:
            response["X-Bluelake-Capped"] = "true"
        return response


def post_json(post: Post) -> dict[str, Any]:
    """One post as `/search` shows it."""
    return {
        "id": post.uri,
        "timestamp": rfc3339(post.event_at),
        "username": post.username,
        "did": post.did,
        "text": post.text,
        "url": post.url,
        "created_at": rfc3339(post.created_at),
        "langs": list(post.langs),
        "hashtags": list(post.hashtags),
    }


def _page_url(request: Request, values: dict[str, str], page: int) -> str:
    query = urlencode({**values, "page": page})
    return str(request.build_absolute_uri(f"{request.path}?{query}"))
