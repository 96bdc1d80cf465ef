"""The watermark file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelake.core.errors import CorruptStateError
from bluelake.core.watermark import (
    Cursor,
    Watermark,
    cursors_from_json,
    cursors_to_json,
    read_watermark,
    write_watermark,
)

NUMBERS = st.integers(0, 2**63)
CURSORS = st.dictionaries(st.text(), st.builds(Cursor, NUMBERS, st.none() | NUMBERS), max_size=4)


@given(CURSORS)
def test_cursors_come_back_as_they_were(cursors: dict[str, Cursor]) -> None:
    assert cursors_from_json(cursors_to_json(cursors)) == cursors


def test_the_lag_comes_back_with_its_cursor_and_may_be_missing() -> None:
    (cursor,) = cursors_from_json(cursors_to_json({"one": Cursor(1_783_166_400_000_001, None, -5)})).values()
    assert cursor.lag_us == -5
    (older,) = cursors_from_json('{"one": {"time_us": 1783166400000001, "seq": null}}').values()
    assert older.lag_us is None


def test_a_watermark_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "watermark.json"
    first = Watermark(7, 5, {"one.example": Cursor(1_783_166_400_000_001, 12), "two.example": Cursor(3)})
    second = Watermark(9, 9, {"one.example": Cursor(1_783_166_400_000_002, 13)})

    write_watermark(path, first)
    assert read_watermark(path) == first
    write_watermark(path, second)
    assert read_watermark(path) == second


def test_where_there_is_none_yet_nothing_is_committed(tmp_path: Path) -> None:
    assert read_watermark(tmp_path / "watermark.json") == Watermark(0, 0, {})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        b'{"offered": 7, "committed": 5}',
        b'{"offered": 7, "cursors": {}}',
        b'{"offered": "x", "committed": 5, "cursors": {}}',
        b'{"offered": 7, "committed": null, "cursors": {}}',
        b'{"offered": 7, "committed": 5, "cursors": null}',
        b'{"offered": 7, "committed": 5, "cursors": []}',
        b'{"offered": 7, "committed": 5, "cursors": {"one.example": 3}}',
        b'{"offered": 7, "committed": 5, "cursors": {"one.example": {"seq": 3}}}',
        b'{"offered": 7, "committed": 5, "cursors": {"one.example": {"time_us": "noon", "seq": null}}}',
    ],
)
def test_a_watermark_that_is_none_is_never_guessed_around(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "watermark.json"
    path.write_bytes(content)

    with pytest.raises(CorruptStateError, match="not a watermark") as caught:
        read_watermark(path)

    assert str(path) in str(caught.value)
    assert path.read_bytes() == content
