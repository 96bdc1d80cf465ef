"""`GET /views/` and `GET /views/<name>`: the published cached views."""

from typing import Any
from urllib.parse import quote, urlencode

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bluelake.lake.search import read_query_string
from bluelake.lake.views import ColumnInfo, ViewInfo, current, iterate, read
from webapi.formats import csv_response, json_value, rfc3339
from webapi.lake_access import lake_access
from webapi.params import VIEW_PARAMETERS, view_request


class ViewListView(APIView):  # type: ignore[misc]
    """Which views there are."""

    def get(self, request: Request) -> Response:
        """Raises ParameterError, CorruptViewsError; webapi/errors.py answers them."""
        read_query_string(request.META["QUERY_STRING"], ())
        published = current(lake_access().settings)
        if published is None:
            meta = {"published_at": None, "version": None, "notice": "No views have been published yet."}
            return Response({"results": [], "meta": meta})
        return Response(
            {
                "results": [_view_json(request, view) for view in published.views],
                "meta": {"published_at": rfc3339(published.published_at), "version": published.version},
            }
        )


class ViewRowsView(APIView):  # type: ignore[misc]
    """The rows of one view, a page of them as JSON or all as CSV."""

    def get(self, request: Request, name: str) -> Response | StreamingHttpResponse:
        """Raises ParameterError, UnknownViewError, NoViewsError; webapi/errors.py answers them."""
        values = read_query_string(request.META["QUERY_STRING"], VIEW_PARAMETERS)
        asked = view_request(values)
        settings = lake_access().settings
        if asked.csv:
            columns, rows = iterate(settings, name)
            return csv_response([column.name for column in columns], rows, f"bluelake-{name}.csv")
        page = read(settings, name, asked.page_size, (asked.page - 1) * asked.page_size)
        names = [column.name for column in page.columns]
        rows_json = [dict(zip(names, map(json_value, row), strict=True)) for row in page.rows]

        def page_url(number: int) -> str:
            query = urlencode({**values, "page": number})
            return str(request.build_absolute_uri(f"{request.path}?{query}"))

        return Response(
            {
                "results": rows_json,
                "columns": [_column_json(column) for column in page.columns],
                "meta": {
                    "name": name,
                    "description": page.view.description,
                    "count": len(rows_json),
                    "page": asked.page,
                    "page_size": asked.page_size,
                    "total": page.total,
                    "published_at": rfc3339(page.published.published_at),
                    "stale_since": rfc3339(page.view.stale_since),
                    "version": page.published.version,
                },
                "next": page_url(asked.page + 1) if asked.page * asked.page_size < page.total else None,
                "previous": page_url(asked.page - 1) if asked.page > 1 else None,
            }
        )


def _view_json(request: Request, view: ViewInfo) -> dict[str, Any]:
    return {
        "name": view.name,
        "description": view.description,
        "rows": view.rows,
        "stale_since": rfc3339(view.stale_since),
        "columns": [_column_json(column) for column in view.columns],
        "url": str(request.build_absolute_uri(f"/views/{quote(view.name)}")),
    }


def _column_json(column: ColumnInfo) -> dict[str, str]:
    return {"name": column.name, "type": column.type, "description": column.description}
