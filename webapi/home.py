"""`GET /`: a page for people: search the lake, and find the rest."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bluelake.core.errors import BluelakeError
from bluelake.lake.search import PAGE_SIZE, SEARCH_PARAMETERS, ParameterError, read_query_string, search_request
from bluelake.lake.views import current
from webapi.errors import describe
from webapi.health import health
from webapi.lake_access import lake_access


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The start page, with the result of the search in its query string. 400 or 503 where the search failed."""
    context: dict[str, Any] = {"values": {}, "health": health(lake_access().collector), "views": _views()}
    status = 200
    try:
        values = read_query_string(request.META["QUERY_STRING"], SEARCH_PARAMETERS)
        context["values"] = values
        context.update(_result(values))
    except BluelakeError as error:
        status, body = describe(error)
        context["error"] = body["message"]
        if isinstance(error, ParameterError):
            context["wrong"] = error.parameter
    return render(request, "webapi/home.html", context, status=status)


def _result(values: dict[str, str]) -> dict[str, Any]:
    asked = search_request(values)
    page = lake_access().searcher.search(asked.query, page=asked.page)
    query = urlencode({name: value for name, value in values.items() if name != "page"})

    def link(number: int) -> str:
        return "?" + urlencode({**values, "page": number})

    return {
        "page": page,
        "number": asked.page,
        "first": (asked.page - 1) * PAGE_SIZE + 1,
        "last": (asked.page - 1) * PAGE_SIZE + len(page.posts),
        "query": query,
        "filtered": bool(query),
        "next": link(asked.page + 1) if page.has_next else None,
        "previous": link(asked.page - 1) if asked.page > 1 else None,
    }


def _views() -> Any:
    try:
        return current(lake_access().settings)
    except BluelakeError:
        return None
