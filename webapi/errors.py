"""Errors of the API as JSON: `{"error": {"message": …}}`, with `parameter` and `value` where one was wrong."""

import logging
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.response import Response

from bluelake.core.errors import BluelakeError
from bluelake.lake.errors import NoViewsError
from bluelake.lake.search import ParameterError
from bluelake.lake.views import UnknownViewError

log = logging.getLogger(__name__)
_RETRY_SECONDS = "5"


class OneFormat(BaseContentNegotiation):  # type: ignore[misc]
    """Every endpoint has one format, whatever the header Accept asks for."""

    def select_parser(self, request: Any, parsers: Sequence[Any]) -> Any:
        """The first parser."""
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Sequence[Any], format_suffix: Any = None) -> tuple[Any, str]:
        """The first renderer."""
        return renderers[0], renderers[0].media_type


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """The answer to an exception in an API view: 400, 404 or 405 for a fault of the client, 503 for ours.

    It never holds a traceback.
    """
    status, body = describe(error)
    response = Response({"error": body}, status=status)
    if status == 503:
        response["Retry-After"] = _RETRY_SECONDS
    return response


def describe(error: Exception) -> tuple[int, dict[str, str]]:
    """The HTTP status and the body for `error`. An unexpected error is logged with its traceback."""
    if isinstance(error, ParameterError):
        return 400, {"parameter": error.parameter, "value": error.value, "message": str(error)}
    if isinstance(error, UnknownViewError | NoViewsError):
        return 404, {"message": str(error)}
    if isinstance(error, APIException):
        return error.status_code, {"message": str(error.detail)}
    if isinstance(error, BluelakeError):
        log.error("%s", error)
        return 503, {"message": f"{error}. Try again; if it stays so, see /healthz and the server's log"}
    log.exception("unexpected", exc_info=error)
    return 503, {"message": "Something unexpected happened; it is in the server's log. Try again, or see /healthz"}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that Django itself refuses, such as one to a host that is not allowed."""
    return _json(400, f"bad request: {exception or 'it cannot be read'}")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A path that does not exist."""
    return _json(404, f"{request.path}: no such page; there are /search, /export, /views/, /healthz, /metrics, /admin/")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A page that this user may not see."""
    return _json(403, f"{request.path}: not allowed")


def server_error(request: HttpRequest) -> HttpResponse:
    """An error that escaped every other handler; the log has it."""
    return _json(503, "Something unexpected happened; it is in the server's log. Try again, or see /healthz")


def _json(status: int, message: str) -> JsonResponse:
    return JsonResponse({"error": {"message": message}}, status=status, json_dumps_params={"ensure_ascii": False})
