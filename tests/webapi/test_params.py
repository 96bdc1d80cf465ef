"""Parameters of a view's rows."""

import pytest

from bluelake.lake.search import ParameterError
from webapi.params import view_request


def test_parameters_of_a_view() -> None:
    asked = view_request({"format": "csv", "page": "3", "page_size": "1000"})
    assert (asked.csv, asked.page, asked.page_size) == (True, 3, 1000)
    for values in ({"format": "xml"}, {"page_size": "1001"}, {"page_size": "0"}, {"page": "0"}):
        with pytest.raises(ParameterError):
            view_request(values)
