"""The newest rev of a record is the record, whatever the operation and however far apart its versions come."""

import json
from typing import Any

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.drain import drain
from bluelake.lake.search import Searcher, SearchQuery
from tests.support.buffers import feed
from tests.support.faults import Killed, kill_at
from tests.support.frames import ANN, HOUR_US, LIKE, NOON_US, POST, PROFILE, SECOND_US, commit_frame, tid
from tests.support.lakes import drained, rows, values
from tests.support.paths import case_frames

MINUTE_US = 60 * SECOND_US
DAY_US = 24 * HOUR_US


def rkey(time_us: int) -> str:
    """The key of a record that was written at `time_us`."""
    return tid(time_us << 10 | 7)


def version(text: str, made_us: int, *, written_us: int = NOON_US, came_us: int | None = None, **more: Any) -> bytes:
    """A version of the post that was written at `written_us`, made at `made_us`; it came a second later."""
    return commit_frame(
        POST,
        rkey=rkey(written_us),
        rev=made_us << 10,
        time_us=made_us + SECOND_US if came_us is None else came_us,
        record={"text": text},
        **more,
    )


def shown(settings: Settings) -> list[str]:
    """The current texts by SQL, which a search finds too."""
    texts = values(settings, "SELECT text FROM posts ORDER BY text")
    page = Searcher(Store(settings.lake_dir), settings).search(SearchQuery())
    assert sorted(post.text for post in page.posts) == texts
    return texts


def test_a_record_that_was_created_twice_is_current_once(buffer: Buffer, settings: Settings) -> None:
    frames = case_frames("23-created-twice")
    last = json.loads(frames[-1])["commit"]
    feed(buffer, frames)
    drain(settings)
    assert shown(settings) == ["twentythree before the wipe"]
    assert values(settings, "SELECT cid FROM posts") == [last["cid"]]
    assert values(settings, "SELECT count(*) FROM likes") == [3]
    assert values(settings, "SELECT count(*) FROM posts_all") == [2]


APART = {
    "at once": 1,
    "seconds": 20 * SECOND_US,
    "a slot": 40 * SECOND_US,
    "minutes": 10 * MINUTE_US,
    "hours": 5 * HOUR_US,
    "days": 40 * DAY_US,
}


@pytest.mark.parametrize("layout", ["one batch", "a batch each", "backwards", "backwards, one batch"])
@pytest.mark.parametrize("apart", APART)
def test_versions_come_as_creates(apart: str, layout: str, buffer: Buffer, settings: Settings) -> None:
    later_us = NOON_US + APART[apart]
    frames = [version("one", NOON_US), version("two", later_us)]
    if layout.startswith("backwards"):
        frames.reverse()
    drained(buffer, settings, *([frames] if layout.endswith("one batch") else [[frame] for frame in frames]))
    assert shown(settings) == ["two"]


@pytest.mark.parametrize("collection", [LIKE, "app.bsky.feed.repost", "app.bsky.graph.follow", "app.bsky.graph.block"])
@pytest.mark.parametrize("apart", APART)
def test_records_of_every_kind_are_current_once(
    apart: str, collection: str, buffer: Buffer, settings: Settings
) -> None:
    for made_us in (NOON_US, NOON_US + APART[apart]):
        frame = commit_frame(collection, rkey=rkey(NOON_US), rev=made_us << 10, time_us=made_us + SECOND_US)
        drained(buffer, settings, [frame])
    table = {LIKE: "likes", "app.bsky.feed.repost": "reposts", "app.bsky.graph.follow": "follows"}.get(collection)
    revs = values(settings, f"SELECT rev FROM {table or 'blocks'}")
    assert revs == [NOON_US + APART[apart] << 10]


@pytest.mark.parametrize("key", ["self", "3kshort", "zzzzzzzzzzzzz", "a" * 40])
def test_a_key_that_tells_no_time_is_current_once(key: str, buffer: Buffer, settings: Settings) -> None:
    for made_us in (NOON_US, NOON_US + 3 * DAY_US):
        drained(buffer, settings, [commit_frame(LIKE, rkey=key, rev=made_us << 10, time_us=made_us)])
    assert values(settings, "SELECT rev FROM likes") == [NOON_US + 3 * DAY_US << 10]


def test_a_create_replaces_an_update_of_a_lower_rev(buffer: Buffer, settings: Settings) -> None:
    update = version("edited", NOON_US + 2 * MINUTE_US, operation="update")
    drained(buffer, settings, [update], [version("anew", NOON_US + 4 * MINUTE_US)], [version("first", NOON_US)])
    assert shown(settings) == ["anew"]


def test_a_profile_is_its_newest_rev(buffer: Buffer, settings: Settings) -> None:
    def profile(name: str, rev: int) -> bytes:
        return commit_frame(PROFILE, rkey="self", rev=rev, record={"displayName": name})

    feed(buffer, [profile("two", 2), profile("one", 1)])
    drain(settings)
    assert values(settings, "SELECT display_name FROM profiles") == ["two"]
    assert values(settings, "SELECT count(*) FROM replacements") == [0]


# Appends: 1 posts, 2 replacements, 3 rejects, 4 batches.
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_drain_that_is_killed_forgets_no_replacement(
    call: int, after: bool, buffer: Buffer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(buffer, [version("one", NOON_US), version("two", NOON_US + SECOND_US)])
    broken: dict[str, Any] = {"rkey": rkey(NOON_US + DAY_US), "time_us": NOON_US + DAY_US}
    post = commit_frame(POST, rev=NOON_US + DAY_US << 10, record={"text": "to be broken"}, **broken)
    feed(buffer, [post, version("apart", NOON_US + HOUR_US, written_us=NOON_US + 1)])
    update = commit_frame(POST, rev=NOON_US + DAY_US + 1 << 10, operation="update", record={"text": 7}, **broken)
    feed(buffer, [update])
    with monkeypatch.context() as patch:
        kill_at(patch, Store, "append", call=call, after=after)
        with pytest.raises(Killed):
            drain(settings)
    drain(settings)
    assert shown(settings) == ["apart", "two"]
    assert values(settings, "SELECT count(*) FROM replacements_all") == [3]
    assert rows(settings, "SELECT rows_out, duplicates, rejects FROM batches") == [
        {"rows_out": 4, "duplicates": 0, "rejects": 1}
    ]


def test_an_ordinary_create_notes_nothing(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, [version("one", NOON_US)])
    drain(settings)
    assert rows(settings, "SELECT operation FROM posts") == [{"operation": "create"}]
    assert values(settings, "SELECT count(*) FROM replacements_all") == [0]
    assert ANN in values(settings, "SELECT did FROM posts")
