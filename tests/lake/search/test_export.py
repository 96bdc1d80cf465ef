"""The rows of an export."""

from datetime import timedelta

import pytest

from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.search import scan as search_scan
from bluelake.lake.search.export import EXPORT_COLUMNS, export_posts
from bluelake.lake.search.searcher import Searcher
from bluelake.lake.search.terms import SearchQuery
from tests.support.lakes import Lake
from tests.support.rows import NOON, SECOND, identity, post


def searcher(settings: Settings) -> Searcher:
    return Searcher(Store(settings.lake_dir), settings)


def test_a_row_has_the_columns_of_the_contract(lake_settings: Settings) -> None:
    created = NOON - SECOND
    Lake(lake_settings).write(
        [post("Hi, there", rkey="3k", langs=["ja", "en"], hashtags=["a", "b"], created_at=created)],
        accounts=[identity("did:plc:ann", "ann.example")],
    )
    result = export_posts(searcher(lake_settings), lake_settings, SearchQuery("hi"))
    assert not result.capped
    [row] = result.rows
    assert dict(zip(EXPORT_COLUMNS, row, strict=True)) == {
        "id": "at://did:plc:ann/app.bsky.feed.post/3k",
        "timestamp": NOON,
        "created_at": created,
        "did": "did:plc:ann",
        "username": "ann.example",
        "text": "Hi, there",
        "langs": ("ja", "en"),
        "hashtags": ("a", "b"),
        "url": "https://bsky.app/profile/did:plc:ann/post/3k",
    }


@pytest.mark.parametrize(("posts", "flag", "rows", "capped"), [(1000, True, 1000, False), (1001, True, 1000, True)])
def test_the_cap_is_known_before_the_first_row(
    lake_settings: Settings, posts: int, flag: bool, rows: int, capped: bool
) -> None:
    Lake(lake_settings).write([post("x", rkey=f"{i:04}", at=NOON + i * SECOND) for i in range(posts)])
    result = export_posts(searcher(lake_settings), lake_settings, SearchQuery())
    assert result.capped is capped
    taken = list(result.rows)
    assert len(taken) == rows
    assert str(taken[0][0]).endswith(f"/{posts - 1:04}")


def test_without_the_cap_everything_comes_in_order(lake_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_scan, "FIRST_GROUP_ROWS", 100)
    settings = lake_settings.model_copy(update={"max_rows_flag": False})
    count = 1500
    Lake(settings).write([post("x", rkey=f"{i:04}", at=NOON - timedelta(minutes=i)) for i in range(count)])
    result = export_posts(searcher(settings), settings, SearchQuery("x"))
    assert not result.capped
    assert [str(row[0])[-4:] for row in result.rows] == [f"{i:04}" for i in range(count)]
