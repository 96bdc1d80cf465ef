"""The lake as Polars frames."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.drain import drain
from bluelake.lake.errors import QueryError
from bluelake.lake.query.loaders import load
from tests.support.buffers import feed
from tests.support.frames import NOON_US, commit_frame

HOUR_US = 3_600_000_000


def test_rows_of_an_interval_come_lazily(buffer: Buffer, settings: Settings) -> None:
    feed(
        buffer,
        [
            commit_frame(rkey="3kbefore", time_us=NOON_US - 1),
            commit_frame(rkey="3kin", time_us=NOON_US),
            commit_frame(rkey="3kgone", time_us=NOON_US, rev=1),
            commit_frame(rkey="3kgone", time_us=NOON_US, rev=2, operation="delete"),
            commit_frame(rkey="3kafter", time_us=NOON_US + HOUR_US),
        ],
    )
    drain(settings)

    frame = load("likes", "2026-07-04T12:00:00Z", datetime(2026, 7, 4, 13, tzinfo=UTC), settings=settings)

    assert isinstance(frame, pl.LazyFrame)
    assert frame.select("rkey").collect()["rkey"].to_list() == ["3kin"]
    whole_day = load("likes", date(2026, 7, 4), "2026-07-05", settings=settings)
    assert sorted(whole_day.collect()["rkey"].to_list()) == ["3kafter", "3kbefore", "3kin"]
    assert load("likes", current=False, settings=settings).select(pl.len()).collect().item() == 4


@pytest.mark.parametrize(("name", "start"), [("nothing", None), ("likes", "yesterday")])
def test_what_cannot_be_loaded_says_why(name: str, start: str | None, settings: Settings) -> None:
    with pytest.raises(QueryError, match=name if start is None else "YYYY-MM-DD"):
        load(name, start, settings=settings)
