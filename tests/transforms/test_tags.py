"""Hashtags are ranked by their keys: the cases of tags that read alike, through a drain and a refresh."""

import json
from datetime import UTC, datetime

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from tests.support.lakes import drained
from tests.support.paths import case_frames
from tests.support.published import rows
from tests.support.refreshes import project_of
from transforms.refresh import refresh


@pytest.mark.parametrize(
    ("case", "ranked"),
    [
        ("01-facet-tag-with-hash", [(1, "klimakrise", "Klimakrise", 4)]),
        ("02-invisible-in-tag", [(1, "wahlkrimi", "Wahlkrimi", 9)]),
        ("03b-unicode-space-before-tag", [(1, "自炊記録", "自炊記録", 8), (2, "和食", "和食", 1)]),
        ("12-normalisation", [(1, "élection", "e\u0301lection", 2)]),
    ],
)
def test_tags_that_read_alike_have_one_rank(
    case: str, ranked: list[tuple[int, str, str, int]], buffer: Buffer, settings: Settings
) -> None:
    frames = case_frames(case)
    drained(buffer, settings, frames)
    newest = datetime.fromtimestamp(json.loads(frames[-1])["time_us"] / 1e6, UTC)
    refresh(settings, now=newest.replace(hour=23), project=project_of(settings.home, "trending_hashtags_daily"))
    assert (
        rows(settings, "SELECT rank, hashtag, as_written, posts FROM trending_hashtags_daily ORDER BY rank") == ranked
    )
