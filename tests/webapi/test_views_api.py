"""`/views/` and `/views/<name>`."""

import csv
import io
from typing import Any

import pytest
from django.test import Client

from bluelake.lake.views.published import Published
from tests.support.lakes import Lake


def test_the_list_describes_every_view(published: Published, client: Client) -> None:
    for path in ("/views", "/views/"):
        answer = client.get(path).json()
        assert answer["meta"] == {"published_at": "2026-07-04T12:00:00.000000Z", "version": published.version}
        assert answer["results"][0] == {
            "name": "hours",
            "description": "Posts by hour.",
            "rows": 250,
            "stale_since": None,
            "columns": [
                {"name": "hour", "type": "TIMESTAMP WITH TIME ZONE", "description": "The hour"},
                {"name": "posts", "type": "BIGINT", "description": "Posts <in> it"},
                {"name": "langs", "type": "VARCHAR[]", "description": "Languages"},
            ],
            "url": "http://localhost/views/hours",
        }


def test_rows_come_in_pages(published: Published, client: Client) -> None:
    first: dict[str, Any] = client.get("/views/hours").json()
    assert first["results"][1] == {"hour": "2026-07-04T13:00:00.000000Z", "posts": 1, "langs": ["ja", "en"]}
    assert (first["meta"]["count"], first["meta"]["total"], first["meta"]["page_size"]) == (100, 250, 100)
    assert first["next"] == "http://localhost/views/hours?page=2"
    last = client.get("/views/hours/?page=3&page_size=100").json()
    assert [row["posts"] for row in last["results"]] == list(range(200, 250))
    assert last["next"] is None
    assert last["previous"] == "http://localhost/views/hours/?page=2&page_size=100"
    assert client.get("/views/hours?page=99").json()["results"] == []
    assert client.get("/views/hours?page=99999999999999999999").json()["results"] == []


def test_a_view_is_csv_on_request(published: Published, client: Client) -> None:
    response = client.get("/views/hours?format=csv")
    assert response["Content-Disposition"] == 'attachment; filename="bluelake-hours.csv"'
    rows = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))  # type: ignore[attr-defined]
    assert rows[:2] == [["hour", "posts", "langs"], ["2026-07-04T12:00:00.000000Z", "0", "ja en"]]
    assert len(rows) == 251


def test_values_that_json_does_not_know(published: Published, client: Client) -> None:
    assert client.get("/views/odd").json()["results"] == [{"d": None, "m": 1.5, "day": "2026-07-04"}]


@pytest.mark.parametrize("query", ["page=0", "page_size=0", "page_size=1001", "format=xml", "order=x"])
def test_a_bad_parameter_is_named(published: Published, client: Client, query: str) -> None:
    response = client.get(f"/views/hours?{query}")
    assert response.status_code == 400
    assert response.json()["error"]["parameter"] == query.split("=")[0]


def test_an_unknown_view_is_a_404(published: Published, client: Client) -> None:
    for path in ("/views/none", "/views/none?format=csv", "/views/%22%3B--"):
        response = client.get(path)
        assert response.status_code == 404
        assert "there are: hours, odd" in response.json()["error"]["message"]


def test_before_the_first_publication(lake: Lake, client: Client) -> None:
    answer = client.get("/views/").json()
    assert answer["results"] == []
    assert answer["meta"]["notice"]
    assert client.get("/views/hours").status_code == 404


def test_a_damaged_publication_is_a_503(published: Published, client: Client) -> None:
    published.file.write_bytes(b"damaged")
    assert client.get("/views/hours").status_code == 503
    (published.file.parent / "current.json").write_text("[]")
    assert client.get("/views/").status_code == 503
    assert client.get("/").status_code == 200
