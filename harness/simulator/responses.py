"""Plain HTTP answers."""

import http
import json

from websockets.datastructures import Headers
from websockets.http11 import Response


def respond(status: int, body: bytes, content_type: str) -> Response:
    """An answer after which the connection closes."""
    headers = Headers({"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"})
    known = status in http.HTTPStatus._value2member_map_
    return Response(status, http.HTTPStatus(status).phrase if known else "Status", headers, body)


def respond_text(status: int, text: str) -> Response:
    """A line of text."""
    return respond(status, f"{text}\n".encode(), "text/plain; charset=utf-8")


def respond_json(status: int, content: dict[str, object]) -> Response:
    """An object."""
    return respond(status, json.dumps(content).encode(), "application/json")
