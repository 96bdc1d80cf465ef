"""Accounts are counted, and not records: the cases of repeated and of hidden likes, and more of their kind."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from tests.support.frames import DIDS, LIKE, commit_frame, post
from tests.support.lakes import drained, rows
from tests.support.paths import case_frames
from tests.support.published import rows as view_rows
from tests.support.refreshes import project_of
from transforms.refresh import refresh

ANN, BOB, CAT, DAN = DIDS[:4]
ANNS_POST = f"at://{ANN}/app.bsky.feed.post/3kpost"
MOST_LIKED = "SELECT text, likes, rank FROM most_liked_posts_daily ORDER BY rank"


@pytest.fixture
def project(settings: Settings) -> Path:
    """The project with the two views that count likes."""
    return project_of(settings.home, "active_users_daily")


def refreshed(settings: Settings, buffer: Buffer, project: Path, frames: Iterable[bytes]) -> None:
    """Drain `frames` and build the views of their days."""
    listed = list(frames)
    newest = datetime.fromtimestamp(max(json.loads(frame)["time_us"] for frame in listed) / 1e6, UTC)
    drained(buffer, settings, listed)
    refresh(settings, now=newest.replace(hour=23), project=project)


def liked(did: str, rkey: str, **record: object) -> bytes:
    """A like of ANNS_POST."""
    return commit_frame(LIKE, did=did, rkey=rkey, record={"subject": {"uri": ANNS_POST, "cid": "bafy"}, **record})


def test_one_account_counts_once_a_post(settings: Settings, buffer: Buffer, project: Path) -> None:
    refreshed(settings, buffer, project, case_frames("08-repeated-likes"))
    assert view_rows(settings, MOST_LIKED) == [
        ("eightb liked once each by two", 2, 1),
        ("eighta liked thrice by one", 1, 2),
    ]


def test_a_hidden_like_is_kept_and_counted_nowhere(settings: Settings, buffer: Buffer, project: Path) -> None:
    refreshed(settings, buffer, project, case_frames("19-hidden-like"))
    assert view_rows(settings, MOST_LIKED) == [("nineteen liked in secret", 1, 1)]
    assert view_rows(settings, "SELECT likers FROM active_users_daily") == [(1,)]
    assert [row["hide_like"] for row in rows(settings, "SELECT hide_like FROM likes ORDER BY event_at")] == [
        True,
        False,
    ]


def test_whoever_likes_openly_and_in_secret_counts_once(settings: Settings, buffer: Buffer, project: Path) -> None:
    frames = [
        post(ANN, "3kpost", text="liked"),
        liked(BOB, "3k1", hideLike=True),
        liked(BOB, "3k2", hideLike=False),
        liked(BOB, "3k3"),
        liked(CAT, "3k4"),
        liked(DAN, "3k5", hideLike=True),
    ]
    refreshed(settings, buffer, project, frames)
    assert view_rows(settings, MOST_LIKED) == [("liked", 2, 1)]
    assert view_rows(settings, "SELECT likers FROM active_users_daily") == [(2,)]
