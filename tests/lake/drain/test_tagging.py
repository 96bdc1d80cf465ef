"""Tags by SQL, where it decides, are those by Python: for every character of Unicode, and for rows of a batch."""

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

import bluelake.lake.drain.parser as parser
from bluelake.lake.drain.lines import in_batches
from bluelake.lake.drain.tagging import add_tags
from bluelake.lake.query import statement
from bluelake.lake.text import tags_of
from tests.support.characters import assigned
from tests.support.frames import POST, commit_frame


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        parser.prepare(opened)
        yield opened


def parsed(
    connection: duckdb.DuckDBPyConnection, posts: list[tuple[list[str], str]]
) -> list[tuple[list[str], list[str]]]:
    """The tags and keys of posts, each with the tags that it states and its text, as a drain parses them."""
    records = [
        {
            "text": text,
            "facets": [{"features": [{"$type": "app.bsky.richtext.facet#tag", "tag": tag}]} for tag in stated],
        }
        for stated, text in posts
    ]
    lines = [commit_frame(POST, record=record).decode() for record in records]
    table = pa.table({"ordinal": pa.array(range(len(lines)), pa.int64()), "line": pa.array(lines, pa.large_string())})
    connection.register("lines", in_batches(table))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE parsed AS {statement(parser.__file__, 'parse_posts')}")
    add_tags(connection, "parsed")
    return connection.execute("SELECT hashtags, hashtag_keys FROM parsed ORDER BY ordinal").fetchall()


def test_sql_and_python_agree_on_every_character(connection: duckdb.DuckDBPyConnection) -> None:
    posts = [([f"A{c}", f"a{c}B"], "") for c in assigned()]
    found = parsed(connection, posts)
    assert [ascii(post) for post, tags in zip(posts, found, strict=True) if tuple(tags) != tags_of(*post)] == []


def test_a_text_that_sql_takes_for_one_without_tags_has_none() -> None:
    assert [c for c in assigned() if tags_of([], f"{c}a")[0]] == ["#", "$", "＃"]


def test_a_row_depends_on_its_own_frame_alone(connection: duckdb.DuckDBPyConnection) -> None:
    posts: list[tuple[list[str], str]] = [
        (["News", "NEWS", "sport"], "x"),
        (["Wahl\u200bkrimi", "wahlkrimi"], "#unstated"),
        ([], "#a-b $TSLA"),
        ([], "plain"),
        (["|", "a|b"], ""),
        (["a_", "A"], ""),
    ]
    expected = [
        (["News", "sport"], ["news", "sport"]),
        (["Wahl\u200bkrimi"], ["wahlkrimi"]),
        (["a-b", "$TSLA"], ["a-b", "$tsla"]),
        ([], []),
        (["|", "a|b"], ["|", "a|b"]),
        (["a_"], ["a"]),
    ]
    assert parsed(connection, posts) == expected
    for post, alone in zip(posts, expected, strict=True):
        assert parsed(connection, [post]) == [alone]
