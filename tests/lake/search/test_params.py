"""Parameters: what is accepted, and the error that names what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelake.core.clock import to_us
from bluelake.lake.query import BEGINNING_US, END_US
from bluelake.lake.search import ParameterError
from bluelake.lake.search.params import SEARCH_PARAMETERS, read_query_string, search_request, time_span
from tests.support.rows import NOON

NOON_US = to_us(NOON)
MIDNIGHT_US = NOON_US - 12 * 3_600_000_000
DAY_US = 24 * 3_600_000_000


@pytest.mark.parametrize(
    ("text", "start_us"),
    [
        ("", BEGINNING_US),
        ("2026-07-04", MIDNIGHT_US),
        ("2026-07-04T12:00:00Z", NOON_US),
        ("2026-07-04t12:00:00z", NOON_US),
        ("2026-07-04 12:00:00Z", NOON_US),
        ("2026-07-04T12:00", NOON_US),
        ("2026-07-04T12:00:00", NOON_US),
        ("2026-07-04T12:00:00.000001", NOON_US + 1),
        ("2026-07-04T12:00:00.0000019Z", NOON_US + 1),
        ("2026-07-04T12:00:00.5Z", NOON_US + 500_000),
        ("2026-07-04T21:00:00+09:00", NOON_US),
        ("2026-07-04T21:00:00 09:00", NOON_US),
        ("2026-07-04T07:00:00-05:00", NOON_US),
        ("0001-01-01", -62_135_596_800_000_000),
    ],
)
def test_a_start_is_a_date_or_a_time(text: str, start_us: int) -> None:
    assert time_span(text, "") == (start_us, END_US)


def test_a_date_as_end_includes_that_day_and_a_time_does_not() -> None:
    assert time_span("", "2026-07-04") == (BEGINNING_US, MIDNIGHT_US + DAY_US)
    assert time_span("2026-07-04", "2026-07-04") == (MIDNIGHT_US, MIDNIGHT_US + DAY_US)
    assert time_span("", "2026-07-04T00:00Z") == (BEGINNING_US, MIDNIGHT_US)
    assert time_span("", "9999-12-31") == (BEGINNING_US, 253_402_300_800_000_000)
    assert time_span("2026-07-04T12:00Z", "2026-07-04T12:00Z") == (NOON_US, NOON_US)


@pytest.mark.parametrize(
    ("start", "end", "parameter", "message"),
    [
        ("2026-13-01", "", "start", "start=2026-13-01: not a date; use YYYY-MM-DD or an RFC 3339 time"),
        ("", "yesterday", "end", "end=yesterday: not a date; use YYYY-MM-DD or an RFC 3339 time"),
        ("2026-02-30", "", "start", "not a date"),
        ("2026-7-4", "", "start", "not a date"),
        ("２０２６-07-04", "", "start", "not a date"),
        ("20260704", "", "start", "not a date"),
        ("2026-07-04T25:00Z", "", "start", "not a date"),
        ("2026-07-04T12:00:60Z", "", "start", "not a date"),
        ("2026-07-04T12:00+24:00", "", "start", "not a date"),
        ("0000-01-01", "", "start", "not a date"),
        ("0001-01-01T00:00+14:00", "", "start", "outside the years 0001 to 9999"),
        ("", "9999-12-31T23:59-12:00", "end", "outside the years 0001 to 9999"),
        ("2026-07-05", "2026-07-04", "end", "end=2026-07-04: before start=2026-07-05"),
        ("2026-07-04T12:00Z", "2026-07-04T11:59Z", "end", "before start"),
    ],
)
def test_what_is_no_span_is_named(start: str, end: str, parameter: str, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        time_span(start, end)
    assert caught.value.parameter == parameter
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "parameter", "message"),
    [
        ("foo=1", "foo", "foo=1: no such parameter; there are: text, username, start, end, exact, page"),
        ("text=a&text=b", "text", "text=b: given more than once"),
        ("text=%ff", "query", "UTF-8"),
        ("&".join(["text=a"] * 101), "query", "more than 100"),
        ("page=0", "page", "page=0: not a number from 1 up"),
        ("page=-1", "page", "not a number"),
        ("page=1.5", "page", "not a number"),
        ("page=٣", "page", "not a number"),
        ("page=" + "9" * 5000, "page", "not a number"),
        ("page=x", "page", "not a number"),
        ("exact=maybe", "exact", "exact=maybe: not a yes or no; use true or false"),
        ("text=a%00b", "text", "NUL"),
        ("text=" + "x" * 1001, "text", "longer than 1,000 characters"),
        ("username=" + "x" * 1001, "username", "longer than 1,000 characters"),
    ],
)
def test_a_bad_parameter_is_named(raw: str, parameter: str, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        search_request(read_query_string(raw, SEARCH_PARAMETERS))
    assert caught.value.parameter == parameter
    assert message in str(caught.value)


def test_an_empty_parameter_is_none() -> None:
    asked = search_request(read_query_string("text=&username=&start=&end=&exact=&page=", SEARCH_PARAMETERS))
    assert asked == search_request({})
    assert (asked.page, asked.query.text, asked.query.exact) == (1, "", False)


@given(st.text(), st.text())
def test_any_text_is_a_span_or_a_parameter_error(start: str, end: str) -> None:
    try:
        start_us, end_us = time_span(start, end)
    except ParameterError as error:
        refused = error.parameter
    else:
        refused = ""
        assert start_us <= end_us
    assert refused in ("", "start", "end")
