"""Parameters of a view's rows: which page, or the whole as CSV."""

from collections.abc import Mapping
from dataclasses import dataclass

from bluelake.lake.search import ParameterError, positive_number

VIEW_PARAMETERS = ("format", "page", "page_size")
MAX_PAGE_SIZE = 1_000
VIEW_PAGE_SIZE = 100


@dataclass(frozen=True)
class ViewRequest:
    """A page of a view, counted from 1, or the whole of it as CSV."""

    csv: bool
    page: int
    page_size: int


def view_request(values: Mapping[str, str]) -> ViewRequest:
    """The page of a view that `values` ask for. Raises ParameterError."""
    form = values.get("format", "json")
    if form not in ("json", "csv"):
        raise ParameterError("format", form, "not a format; use json or csv")
    page_size = positive_number("page_size", values.get("page_size", ""), VIEW_PAGE_SIZE)
    if page_size > MAX_PAGE_SIZE:
        raise ParameterError("page_size", values["page_size"], f"too large; use 1 to {MAX_PAGE_SIZE}")
    return ViewRequest(form == "csv", positive_number("page", values.get("page", ""), 1), page_size)
