"""`/search` and `/export` through Django: the contract's letter, the errors, and never a 500."""

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bluelake.core.settings import Settings
from tests.support.lakes import Lake
from tests.support.rows import NOON, SECOND, batch, identity, post
from webapi.lake_access import lake_access


def body_of(response: Any) -> str:
    return b"".join(response.streaming_content).decode()


def test_a_result_has_the_fields_of_the_contract(lake: Lake, client: Client) -> None:
    lake.write(
        [post("今日は Hello", rkey="3k", langs=["ja"], hashtags=["a"], created_at=NOON - SECOND)],
        accounts=[identity("did:plc:ann", "ann.example")],
        batches=[batch(NOON + SECOND)],
    )
    response = client.get("/search", {"text": "hello 今日"})
    assert response.status_code == 200
    answer = response.json()
    assert answer["results"] == [
        {
            "id": "at://did:plc:ann/app.bsky.feed.post/3k",
            "timestamp": "2026-07-04T12:00:00.000000Z",
            "username": "ann.example",
            "did": "did:plc:ann",
            "text": "今日は Hello",
            "url": "https://bsky.app/profile/did:plc:ann/post/3k",
            "created_at": "2026-07-04T11:59:59.000000Z",
            "langs": ["ja"],
            "hashtags": ["a"],
        }
    ]
    took = answer["meta"].pop("took_ms")
    assert isinstance(took, int)
    assert answer["meta"] == {
        "count": 1,
        "page": 1,
        "page_size": 50,
        "total": 1,
        "capped": False,
        "data_through": "2026-07-04T12:00:01.000000Z",
    }
    assert (answer["next"], answer["previous"]) == (None, None)
    assert "今日は".encode() in response.content


def test_pages_link_to_one_another(lake: Lake, client: Client) -> None:
    lake.write([post("x ü", rkey=f"{i:03}", at=NOON - i * SECOND) for i in range(120)])
    first = client.get("/search/?text=x+%C3%BC&page=").json()
    assert first["next"] == "http://localhost/search/?text=x+%C3%BC&page=2"
    assert first["previous"] is None
    second = client.get(first["next"]).json()
    third = client.get(second["next"]).json()
    assert third["previous"] == first["next"]
    assert third["next"] is None
    ids = [row["id"][-3:] for page in (first, second, third) for row in page["results"]]
    assert ids == [f"{i:03}" for i in range(120)]
    past = client.get("/search?page=99").json()
    assert (past["results"], past["meta"]["total"], past["next"]) == ([], 120, None)


def test_rows_are_capped_at_a_thousand(lake: Lake, client: Client, web_settings: Callable[..., Settings]) -> None:
    lake.write([post("x", rkey=f"{i:04}", at=NOON - i * SECOND) for i in range(1020)])
    last = client.get("/search?page=20").json()
    assert (last["meta"]["count"], last["meta"]["total"], last["meta"]["capped"]) == (50, 1000, True)
    assert last["next"] is None
    assert client.get("/search?page=21").json()["results"] == []
    exported = client.get("/export")
    assert exported["X-Bluelake-Capped"] == "true"
    assert len(body_of(exported).splitlines()) == 1001

    web_settings(max_rows_flag=False)
    last = client.get("/search?page=21").json()
    assert (last["meta"]["count"], last["meta"]["total"], last["meta"]["capped"]) == (20, 1020, False)
    assert client.get("/search?page=20").json()["next"] == "http://localhost/search?page=21"
    exported = client.get("/export")
    assert "X-Bluelake-Capped" not in exported
    assert len(body_of(exported).splitlines()) == 1021


def test_an_export_is_csv(lake: Lake, client: Client) -> None:
    text = 'a "quoted", line\r\nand another 🍣'
    lake.write([post(text, rkey="3k", langs=["ja", "en"], hashtags=["a", "b"])])
    response = client.get("/export/", {"text": "quoted"})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="bluelake-posts.csv"'
    header, row = csv.reader(io.StringIO(body_of(response), newline=""))
    assert header == ["id", "timestamp", "created_at", "did", "username", "text", "langs", "hashtags", "url"]
    assert row == [
        "at://did:plc:ann/app.bsky.feed.post/3k",
        "2026-07-04T12:00:00.000000Z",
        "",
        "did:plc:ann",
        "did:plc:ann",
        text,
        "ja en",
        "a b",
        "https://bsky.app/profile/did:plc:ann/post/3k",
    ]


def test_filters_reach_the_lake(lake: Lake, client: Client) -> None:
    lake.write(
        [
            post("Big cat", rkey="1"),
            post("cat, big", rkey="2", at=NOON + timedelta(days=1)),
            post("big cat", rkey="3", did="did:plc:bob", at=NOON + timedelta(days=2)),
        ]
    )

    def found(query: str) -> list[str]:
        return [row["id"][-1] for row in client.get(f"/search?{query}").json()["results"]]

    assert found("") == ["3", "2", "1"]
    assert found("text=big+CAT&exact=true") == ["3", "1"]
    assert found("username=did:plc:bob") == ["3"]
    assert found("start=2026-07-05&end=2026-07-05") == ["2"]
    assert found("start=2026-07-04T12:00:00Z&end=2026-07-05T12:00:00Z") == ["1"]
    assert found("end=2026-07-05T21:00:00.000001+09:00") == ["2", "1"]


def test_an_unknown_user_is_an_empty_result_with_a_notice(lake: Lake, client: Client) -> None:
    lake.write([post("x")])
    answer = client.get("/search?username=@nobody").json()
    assert (answer["results"], answer["meta"]["total"]) == ([], 0)
    assert "nobody.bsky.social" in answer["meta"]["notice"]


@pytest.mark.parametrize("path", ["/search", "/export", "/search/", "/export/"])
def test_a_bad_parameter_is_a_400_that_names_it(lake: Lake, client: Client, path: str) -> None:
    response = client.get(f"{path}?start=2026-13-01")
    assert response.status_code == 400
    assert response.json() == {
        "error": {
            "parameter": "start",
            "value": "2026-13-01",
            "message": "start=2026-13-01: not a date; use YYYY-MM-DD or an RFC 3339 time",
        }
    }
    response = client.get(f"{path}?q=1")
    assert (response.status_code, response.json()["error"]["parameter"]) == (400, "q")


def test_other_errors_are_json_too(lake: Lake, client: Client) -> None:
    for response, status in (
        (client.get("/nope"), 404),
        (client.get("/search/more"), 404),
        (client.post("/search"), 405),
        (client.get("/search", headers={"host": "evil.example"}), 400),
    ):
        assert response.status_code == status
        assert response.json()["error"]["message"]


def test_a_client_gets_json_whatever_it_accepts(lake: Lake, client: Client) -> None:
    for accept in ("text/html", "text/csv", "nonsense"):
        response = client.get("/search", headers={"accept": accept})
        assert (response.status_code, response["Content-Type"]) == (200, "application/json")


def test_an_unreadable_lake_is_a_503_that_says_what_to_do(lake: Lake, client: Client) -> None:
    lake.write([post("x")])
    for file in lake.store.root.glob("posts/year=*/**/*.parquet"):
        file.write_bytes(b"not parquet at all, though long enough")
    for path in ("/search", "/export"):
        response = client.get(path)
        assert response.status_code == 503
        assert "healthz" in response.json()["error"]["message"]
        assert response["Retry-After"]
    assert client.get("/").status_code == 503


def test_what_nobody_foresaw_is_a_503_and_logged(
    lake: Lake, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(lake_access().searcher, "search", fail)
    response = client.get("/search")
    assert response.status_code == 503
    assert "secret" not in response.content.decode()
    assert "a secret detail" in caplog.text


def test_other_origins_may_read_the_api_only(lake: Lake, client: Client) -> None:
    origin = {"origin": "https://explorer.example"}
    assert client.get("/search", headers=origin)["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in client.get("/admin/login/", headers=origin)
    asked = client.options("/search", headers={**origin, "access-control-request-method": "GET"})
    assert "GET" in asked["Access-Control-Allow-Methods"]
    assert "POST" not in asked["Access-Control-Allow-Methods"]


def test_the_start_page_searches(lake: Lake, client: Client) -> None:
    lake.write([post("<b>bold</b> & brave", rkey="1"), post("other", rkey="2")])
    page = client.get("/?text=brave").content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; brave" in page
    assert "other" not in page
    assert "/export?text=brave" in page
    response = client.get("/?start=never")
    assert response.status_code == 400
    assert "start=never: not a date" in response.content.decode()
    assert "default-src" in response["Content-Security-Policy"]


NASTY = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["%00", "%ff%fe", "%", "'", "\\", "[(", "$w0", "{}", "\ud800", "💥" * 30, "2026-07-04", "1e9", "-0"]
    ),
)
NAMES = st.sampled_from(["text", "username", "start", "end", "exact", "page", "page_size", "format", "q", ""])


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(
    st.lists(st.tuples(NAMES, NASTY), max_size=3), st.sampled_from(["/search", "/export", "/", "/views/x", "/views"])
)
def test_never_a_500(lake: Lake, client: Client, pairs: list[tuple[str, str]], path: str) -> None:
    escaped = urlencode([(name, value.encode("utf-8", "surrogatepass")) for name, value in pairs])
    raw = "&".join(f"{name}={quote(value, safe='%[](){}$', errors='replace')}" for name, value in pairs)
    for query in (escaped, raw):
        response = client.get(f"{path}?{query}")
        assert response.status_code in (200, 400, 404), (query, response.status_code)
        if response.status_code == 400 and path != "/":
            assert json.loads(response.content)["error"]["message"]
