"""Middleware: every request counted, and a page's scripts and styles only from here."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from webapi.metrics import count_request

Handler = Callable[[HttpRequest], HttpResponseBase]
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)


class MetricsMiddleware:
    """Counts requests by route and status, and times them up to the first byte."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer and count."""
        began = time.perf_counter()
        response = self._get_response(request)
        match = request.resolver_match
        route = match.view_name or match.route if match else "none"
        # Closed lists of labels, whatever a client sends.
        method = request.method if request.method in _METHODS else "other"
        count_request(route, method, response.status_code, time.perf_counter() - began)
        return response


class SecurityPolicyMiddleware:
    """Sends a Content-Security-Policy with every answer."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with the policy."""
        response = self._get_response(request)
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        return response
