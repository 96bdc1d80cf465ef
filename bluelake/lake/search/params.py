"""Parameters of a search: strict, each named once, with an error that says what it takes.

The API's query strings and the command line's options follow the same rules.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from bluelake.core.clock import to_us
from bluelake.lake.query import BEGINNING_US, END_US
from bluelake.lake.search.terms import MAX_TEXT, ParameterError, SearchQuery

SEARCH_PARAMETERS = ("text", "username", "start", "end", "exact", "page")
# The parameters of a search, so that a link to one can be turned into the other; every export holds all pages.
EXPORT_PARAMETERS = SEARCH_PARAMETERS
DAY_US = 86_400_000_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# RFC 3339, with the zone left out where it is UTC. A `+` that nobody escaped arrives as a space.
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(:\d{2})?(\.\d+)?(?:([Zz])|([+ -])(\d{2}:\d{2}))?", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_NOT_A_DATE = "not a date; use YYYY-MM-DD or an RFC 3339 time"
_EARLIEST_US = to_us(datetime.min.replace(tzinfo=UTC))
_LATEST_US = to_us(datetime.max.replace(tzinfo=UTC))


@dataclass(frozen=True)
class SearchRequest:
    """A search and the page of it that is asked for, counted from 1."""

    query: SearchQuery
    page: int


def read_query_string(raw: str, allowed: tuple[str, ...]) -> dict[str, str]:
    """The parameters of a URL's query string; those without a value are left out.

    Raises ParameterError for one that is not in `allowed`, is given twice, or is not UTF-8.
    """
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=100)
    except UnicodeDecodeError:
        shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in raw)
        raise ParameterError("query", shown, "not UTF-8; escape each byte of the UTF-8 text with %") from None
    except ValueError:
        raise ParameterError("query", raw, "more than 100 parameters") from None
    for name, value in pairs:
        if name not in allowed:
            raise ParameterError(name, value, f"no such parameter; there are: {', '.join(allowed) or 'none'}")
        if name in found:
            raise ParameterError(name, value, "given more than once")
        found[name] = value
    return {name: value for name, value in found.items() if value}


def search_request(values: Mapping[str, str]) -> SearchRequest:
    """The search that `values` ask for. Raises ParameterError."""
    query = search_query(
        text=values.get("text", ""),
        username=values.get("username", ""),
        start=values.get("start", ""),
        end=values.get("end", ""),
        exact=_flag("exact", values.get("exact", "")),
    )
    return SearchRequest(query, positive_number("page", values.get("page", ""), 1))


def search_query(
    *, text: str = "", username: str = "", start: str = "", end: str = "", exact: bool = False
) -> SearchQuery:
    """The query that parameters of the API, or arguments of the command line, mean. Raises ParameterError."""
    start_us, end_us = time_span(start, end)
    return SearchQuery(text=text, exact=exact, username=username, start_us=start_us, end_us=end_us)


def time_span(start: str, end: str) -> tuple[int, int]:
    """start <= t < end in microseconds since 1970; an empty text is no bound, a date as `end` includes that day.

    Raises ParameterError.
    """
    start_us = _moment("start", start) if start else BEGINNING_US
    end_us = _moment("end", end) if end else END_US
    whole_day = _DATE.fullmatch(end) is not None
    if whole_day:
        end_us += DAY_US
    if end_us < start_us or (whole_day and end_us == start_us):
        raise ParameterError("end", end, f"before start={start}; use a later end or an earlier start")
    return start_us, end_us


def _moment(name: str, value: str) -> int:
    match = _TIME.fullmatch(value)
    try:
        if match:
            day, minute, second, fraction, _, sign, offset = match.groups()
            micro = (fraction or ".0")[:7]
            zone = f"{sign.replace(' ', '+')}{offset}" if sign else "+00:00"
            moment_us = to_us(datetime.fromisoformat(f"{day}T{minute}{second or ':00'}{micro.ljust(7, '0')}{zone}"))
        elif _DATE.fullmatch(value):
            moment_us = to_us(datetime.fromisoformat(f"{value}T00:00+00:00"))
        else:
            raise ParameterError(name, value, _NOT_A_DATE)
    except (ValueError, OverflowError):
        raise ParameterError(name, value, _NOT_A_DATE) from None
    if not _EARLIEST_US <= moment_us <= _LATEST_US:
        raise ParameterError(name, value, "outside the years 0001 to 9999 in UTC; use a time within them")
    return moment_us


def _flag(name: str, value: str) -> bool:
    if not value:
        return False
    try:
        return _FLAGS[value.lower()]
    except KeyError:
        raise ParameterError(name, value, "not a yes or no; use true or false") from None


def positive_number(name: str, value: str, default: int) -> int:
    """`value` as a number from 1 up; `default` for an empty text. Raises ParameterError."""
    if not value:
        return default
    if not _NUMBER.fullmatch(value) or len(value) > MAX_TEXT or int(value) < 1:
        raise ParameterError(name, value, "not a number from 1 up")
    return int(value)
