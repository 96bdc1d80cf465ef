"""docs/api.md names every path, parameter and field, and none that is not there."""

import re

import pytest
from django.test import Client

from bluelake.lake.search import EXPORT_COLUMNS, EXPORT_PARAMETERS, SEARCH_PARAMETERS
from bluelake.lake.views.published import Published
from tests.support.lakes import Lake
from tests.support.paths import ROOT
from tests.support.rows import post
from webapi.params import VIEW_PARAMETERS
from webapi.urls import urlpatterns

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/api.md has no section {title!r}"
    return found[1]


@pytest.mark.parametrize(
    ("title", "parameters"),
    [("Parameters of `/search`", SEARCH_PARAMETERS), ("Parameters of `/views/<name>`", VIEW_PARAMETERS)],
)
def test_every_parameter_is_in_its_table(title: str, parameters: tuple[str, ...]) -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \|", section(title), re.MULTILINE)) == parameters


def test_the_export_names_its_parameters_and_columns() -> None:
    named = set(re.findall(r"`(\w+)`", section("Parameters of `/export`")))
    assert named == set(EXPORT_PARAMETERS)
    assert ",".join(EXPORT_COLUMNS) in PAGE


def test_every_path_is_listed() -> None:
    paths = {str(pattern.pattern).strip("^$").removesuffix("/?").removesuffix("/") for pattern in urlpatterns}
    paths = {path.replace("(?P<name>[^/]+)", "<name>") for path in paths}
    listed = set(re.findall(r"^\| \[?`/([^`]*?)/?`", PAGE, re.MULTILINE))
    assert listed == paths


def test_the_examples_have_the_fields_of_the_answers(lake: Lake, client: Client) -> None:
    lake.write([post("x")])
    answer = client.get("/search").json()
    example = section("The answer")
    for name in (*answer, *answer["results"][0], *answer["meta"]):
        assert f'"{name}":' in example or f"`meta.{name}`" in example, name


@pytest.mark.parametrize("name", SEARCH_PARAMETERS)
def test_what_is_documented_is_accepted(lake: Lake, client: Client, name: str) -> None:
    value = {"start": "2026-07-04", "end": "2026-07-04", "exact": "true", "page": "1"}.get(name, "x")
    assert client.get("/search", {name: value}).status_code == 200
    assert client.get("/export", {name: value}).status_code == 200


@pytest.mark.parametrize("name", VIEW_PARAMETERS)
def test_what_is_documented_of_views_is_accepted(published: Published, client: Client, name: str) -> None:
    value = "csv" if name == "format" else "1"
    assert client.get("/views/hours", {name: value}).status_code == 200
