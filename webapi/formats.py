"""Values as the API shows them: times in RFC 3339 with microseconds and Z, rows as CSV (RFC 4180) in pieces."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain

from django.http import StreamingHttpResponse

_PIECE_CHARACTERS = 65_536


def rfc3339(moment: datetime | None) -> str | None:
    """A time as JSON and CSV show it, such as 2026-07-04T12:00:00.000000Z."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def json_value(value: object) -> object:
    """A value of a view as JSON can hold it."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        # JSON knows neither infinities nor NaN.
        return value if value - value == 0 else None
    return str(value)


def csv_value(value: object) -> object:
    """A value as one CSV field: lists joined by a space, nothing for NULL."""
    value = json_value(value)
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    return value


def csv_response(columns: Sequence[str], rows: Iterable[Sequence[object]], filename: str) -> StreamingHttpResponse:
    """A CSV download that starts before its last row is known.

    Its first piece is made here, so that an early error is an answer and not a torn file.
    """
    pieces = _pieces(columns, rows)
    begins = next(pieces)
    response = StreamingHttpResponse(chain([begins], pieces), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def _pieces(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([csv_value(value) for value in row])
        if buffer.tell() > _PIECE_CHARACTERS:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()
