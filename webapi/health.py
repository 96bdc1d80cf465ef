"""`GET /healthz`: how each part is, and how old the data is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bluelake.buffer.client import Buffer
from bluelake.core import clock
from bluelake.core.clock import to_datetime
from bluelake.core.errors import BluelakeError
from bluelake.lake.search import read_query_string
from bluelake.lake.status import (
    REASONS_SECONDS,
    WARNING,
    Part,
    gaps_part,
    missing_seconds,
    process_part,
    rejects_part,
    views_part,
    worst,
)
from bluelake.lake.views import current
from webapi.formats import rfc3339
from webapi.lake_access import LakeAccess, lake_access

REDIS_TIMEOUT_SECONDS = 1.0


class HealthView(APIView):  # type: ignore[misc]
    """200 while the API can answer from the lake, else 503; `status` says whether all the rest is well too."""

    def get(self, request: Request) -> Response:
        """Raises ParameterError; webapi/errors.py answers it."""
        read_query_string(request.META["QUERY_STRING"], ())
        body = health(lake_access())
        return Response(body, status=200 if body["parts"]["lake"]["ok"] else 503)


def health(access: LakeAccess) -> dict[str, Any]:
    """`{"status": "ok" | "degraded", "warnings": [name], "parts": {name: {"ok", "state", "detail", …}}}`; never raises."""
    told_by_redis = _checked(lambda: _buffer_and_ingest(access))
    parts = {
        "web": {"ok": True, "state": "up", "detail": "answers"},
        "lake": _checked(lambda: _lake(access)),
        "buffer": told_by_redis.pop("buffer", told_by_redis),
        "ingest": told_by_redis.pop("ingest", None) or _described(process_part(access.settings, "ingest")),
        "drain": _checked(lambda: _described(process_part(access.settings, "drain"))),
        "views": _checked(lambda: _views(access)),
        "rejects": _checked(lambda: _rejects(access)),
        "gaps": _checked(lambda: _gaps(access)),
        "seal": _checked(lambda: _described(access.sealing())),
        "maintain": _checked(lambda: _described(access.maintaining())),
    }
    well = all(part["ok"] for part in parts.values())
    warnings = [name for name, part in parts.items() if part["state"] == WARNING]
    return {"status": "ok" if well else "degraded", "warnings": warnings, "parts": parts}


def _checked(part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return part()
    except (BluelakeError, OSError, ValueError) as error:
        return {"ok": False, "state": "down", "detail": str(error)}


def _described(part: Part) -> dict[str, Any]:
    return {"ok": part.ok, "state": part.state, "detail": part.detail}


def _lake(access: LakeAccess) -> dict[str, Any]:
    batches = access.batches(1)
    if not batches:
        return {"ok": True, "state": "empty", "detail": "no batch yet; a drain brings the first", "age_seconds": None}
    last = batches[0]
    age = round(last.age_seconds(), 1) if last.newest_event_at else None
    return {
        "ok": True,
        "state": "up",
        "detail": f"the last batch took {last.events_in:,} events",
        "last_batch_at": rfc3339(last.event_at),
        "newest_event_at": rfc3339(last.newest_event_at),
        "age_seconds": age,
    }


def _buffer_and_ingest(access: LakeAccess) -> dict[str, Any]:
    """The two parts that Redis tells of. Raises BufferError within about a second."""
    client = Buffer(access.settings.redis_url, timeout_seconds=REDIS_TIMEOUT_SECONDS)
    try:
        depth, state = client.depth(), client.state()
    finally:
        client.close()
    events = sum(queue.events for queue in depth.values())
    held = sum(queue.size_bytes for queue in depth.values())
    flushed_at = rfc3339(to_datetime(state.flushed_us)) if state.flushed_us else None
    return {
        "buffer": {
            "ok": True,
            "state": "up",
            "detail": f"{events:,} events, {held / 1e6:,.1f} MB",
            "events": events,
            "bytes": held,
        },
        "ingest": {**_described(process_part(access.settings, "ingest")), "last_flush_at": flushed_at},
    }


def _rejects(access: LakeAccess) -> dict[str, Any]:
    now = clock.now()
    recent = access.recent_batches(now - timedelta(seconds=REASONS_SECONDS))
    return _described(rejects_part(access.settings, worst(recent, now)))


def _gaps(access: LakeAccess) -> dict[str, Any]:
    gaps = access.gaps()
    open_ = [gap for gap in gaps if gap.repaired_at is None]
    return {**_described(gaps_part(gaps)), "open": len(open_), "seconds": missing_seconds(open_)}


def _views(access: LakeAccess) -> dict[str, Any]:
    published = current(access.settings)
    published_at = rfc3339(published.published_at) if published else None
    return {**_described(views_part(access.settings)), "published_at": published_at}
