"""`GET /healthz`: how each part is, and how old the data is."""

from collections.abc import Callable
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bluelake.core import clock
from bluelake.core.errors import BluelakeError
from bluelake.lake.search import read_query_string
from bluelake.lake.status import (
    WARNING,
    Collector,
    Part,
    buffer_part,
    gaps_part,
    last_batch_part,
    maintain_part,
    process_part,
    rejects_part,
    seal_part,
    views_part,
)
from webapi.formats import rfc3339
from webapi.lake_access import lake_access

PartJson = dict[str, Any]


class HealthView(APIView):  # type: ignore[misc]
    """200 while the API can answer from the lake, else 503; `status` says whether every other part works too."""

    def get(self, request: Request) -> Response:
        """Raises ParameterError; webapi/errors.py answers it."""
        read_query_string(request.META["QUERY_STRING"], ())
        body = health(lake_access().collector)
        return Response(body, status=200 if body["parts"]["lake"]["ok"] else 503)


def health(collector: Collector) -> dict[str, Any]:
    """`{"status": "ok" | "degraded", "warnings": [name], "parts": {name: {"ok", "state", "detail", …}}}`; never raises."""
    parts = {
        "web": {"ok": True, "state": "up", "detail": "answers"},
        "lake": _or_down(lambda: _lake(collector)),
        **_buffer_and_ingest(collector),
        "drain": _json(process_part(collector.process("drain"), clock.now())),
        "views": _or_down(lambda: _views(collector)),
        "rejects": _or_down(lambda: _json(rejects_part(collector.rejects(clock.now())))),
        "gaps": _or_down(lambda: _gaps(collector)),
        "seal": _or_down(lambda: _json(seal_part(collector.seal(clock.now()), clock.now()))),
        "maintain": _or_down(lambda: _json(maintain_part(collector.maintain(), clock.now()))),
    }
    well = all(part["ok"] for part in parts.values())
    warnings = [name for name, part in parts.items() if part["state"] == WARNING]
    return {"status": "ok" if well else "degraded", "warnings": warnings, "parts": parts}


def _or_down(read: Callable[[], PartJson]) -> PartJson:
    """The part that `read` gives, or `down` with the reason where its facts cannot be read."""
    try:
        return read()
    except (BluelakeError, OSError, ValueError) as error:
        return {"ok": False, "state": "down", "detail": str(error)}


def _json(part: Part, **more: object) -> PartJson:
    return {"ok": part.ok, "state": part.state, "detail": part.detail, **more}


def _lake(collector: Collector) -> PartJson:
    batch = next(iter(collector.batches(1)), None)
    described = _json(last_batch_part(batch))
    if batch is None:
        return {**described, "age_seconds": None}
    age = batch.age_seconds(clock.now())
    return {
        **described,
        "last_batch_at": rfc3339(batch.event_at),
        "newest_event_at": rfc3339(batch.newest_event_at),
        "age_seconds": None if age is None else round(age, 1),
    }


def _buffer_and_ingest(collector: Collector) -> dict[str, PartJson]:
    """The two parts that ask Redis: one answer that fails is the buffer's failure, and `ingest` keeps its own status."""
    ingest = _json(process_part(collector.process("ingest"), clock.now()))

    def buffer() -> PartJson:
        held = collector.buffer()
        ingest["last_flush_at"] = rfc3339(collector.last_flush_at())
        return _json(buffer_part(held), events=held.events, bytes=held.size_bytes)

    return {"buffer": _or_down(buffer), "ingest": ingest}


def _gaps(collector: Collector) -> PartJson:
    gaps = collector.gaps()
    return _json(gaps_part(gaps), open=len(gaps.open), seconds=gaps.missing_seconds)


def _views(collector: Collector) -> PartJson:
    views = collector.views()
    published_at = rfc3339(views.published.published_at) if views.published else None
    held_back = [view.name for view in views.held_back]
    return _json(views_part(views, clock.now()), published_at=published_at, held_back=held_back)
