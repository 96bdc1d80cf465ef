"""What is current: updates replace, deletes hide, inactive accounts hide; by rev, in whatever order and hour."""

import json
from datetime import UTC, datetime

import pytest

from buffer.client import Buffer
from core.settings import Settings
from lake.drain import drain
from lake.duck import connect
from lake.relations import current_rows
from lake.store import Store
from tests.conftest import NOON_US, commit_frame
from tests.lake.feed import feed, rows, values

HOUR_US = 3_600_000_000
POST = "app.bsky.feed.post"
NOON = datetime(2026, 7, 4, 12, tzinfo=UTC)


def post(text: str, rev: int, *, hours: int = 0, operation: str = "create", rkey: str = "3ka") -> bytes:
    return commit_frame(
        POST, rkey=rkey, rev=rev, time_us=NOON_US + hours * HOUR_US, operation=operation, record={"text": text}
    )


def delete(rev: int, *, collection: str = POST, hours: int = 0, rkey: str = "3ka") -> bytes:
    return commit_frame(collection, rkey=rkey, rev=rev, time_us=NOON_US + hours * HOUR_US, operation="delete")


def account(did: str, active: bool, *, seq: int, hours: int = 0) -> bytes:
    body = {"active": active, "did": did, "seq": seq, "time": "2026-07-04T12:00:00Z"}
    frame = {"did": did, "time_us": NOON_US + hours * HOUR_US, "kind": "account", "account": body}
    return json.dumps(frame).encode()


@pytest.mark.parametrize("one_batch", [True, False], ids=["one batch", "a batch each"])
@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
@pytest.mark.parametrize(
    ("frames", "texts"),
    [
        ([post("one", 1)], ["one"]),
        ([post("one", 1), delete(2)], []),
        ([post("one", 1), delete(2, hours=30)], []),
        ([post("one", 1), delete(2, collection="app.bsky.feed.like")], ["one"]),
        ([post("one", 1), delete(2, rkey="3kother")], ["one"]),
        ([post("one", 1), delete(2), post("again", 3)], ["again"]),
        ([post("one", 1), post("two", 2, operation="update", hours=26)], ["two"]),
        ([post("A", 1), post("B", 2, operation="update"), post("A", 3, operation="update")], ["A"]),
        ([post("one", 1), post("two", 2, operation="update"), delete(3)], []),
        ([post("one", 1), delete(2), post("two", 3), post("three", 4, operation="update")], ["three"]),
        ([post("edit of what came before the lake", 5, operation="update")], ["edit of what came before the lake"]),
    ],
)
def test_posts(
    frames: list[bytes], texts: list[str], backwards: bool, one_batch: bool, buffer: Buffer, settings: Settings
) -> None:
    delivered = frames[::-1] if backwards else frames
    for part in [delivered] if one_batch else [[frame] for frame in delivered]:
        feed(buffer, part)
        drain(settings)
    assert values(settings, "SELECT text FROM posts") == texts
    kept = sum(b'"record"' in frame for frame in frames)
    assert values(settings, "SELECT count(*) FROM posts_all") == [kept]


def test_an_updated_post_keeps_its_first_hour_and_shows_its_last_text(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, [post("one", 1), post("two", 2, operation="update", hours=2)])
    drain(settings)
    (row,) = rows(settings, "SELECT event_at, text, day, hour, operation FROM posts")
    assert row == {"event_at": NOON, "text": "two", "day": "04", "hour": "12", "operation": "update"}


def test_a_post_made_anew_begins_anew(buffer: Buffer, settings: Settings) -> None:
    feed(
        buffer,
        [post("one", 1), delete(2, hours=1), post("two", 3, hours=2), post("three", 4, hours=3, operation="update")],
    )
    drain(settings)
    assert rows(settings, "SELECT text, hour FROM posts") == [{"text": "three", "hour": "14"}]


def test_posts_of_an_account_that_is_not_active_are_hidden_until_it_is(buffer: Buffer, settings: Settings) -> None:
    did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
    feed(buffer, [post("one", 1), account(did, False, seq=1, hours=1)])
    drain(settings)
    assert values(settings, "SELECT text FROM posts") == []
    feed(buffer, [account(did, True, seq=2, hours=2)])
    drain(settings)
    assert values(settings, "SELECT text FROM posts") == ["one"]


@pytest.mark.parametrize(
    ("table", "collection"),
    [
        ("likes", "app.bsky.feed.like"),
        ("reposts", "app.bsky.feed.repost"),
        ("follows", "app.bsky.graph.follow"),
        ("blocks", "app.bsky.graph.block"),
        ("profiles", "app.bsky.actor.profile"),
    ],
)
def test_every_table_of_records_respects_deletes_and_updates(
    table: str, collection: str, buffer: Buffer, settings: Settings
) -> None:
    feed(
        buffer,
        [
            commit_frame(collection, rkey="3kgone", rev=1),
            commit_frame(collection, rkey="3kgone", rev=2, operation="delete"),
            commit_frame(collection, rkey="3kchanged", rev=3),
            commit_frame(collection, rkey="3kchanged", rev=4, operation="update"),
            commit_frame(collection, rkey="3kstays", rev=5),
        ],
    )
    drain(settings)
    assert rows(settings, f"SELECT rkey, rev FROM {table} ORDER BY rkey") == [
        {"rkey": "3kchanged", "rev": 4},
        {"rkey": "3kstays", "rev": 5},
    ]
    assert values(settings, f"SELECT count(*) FROM {table}_all") == [4]


def test_an_interval_holds_what_was_first_seen_in_it(buffer: Buffer, settings: Settings) -> None:
    feed(
        buffer,
        [
            post("before", 1, hours=-1, rkey="3kbefore"),
            post("in", 2, rkey="3kin"),
            post("edited later", 3, rkey="3kedited"),
            post("edited", 4, rkey="3kedited", operation="update", hours=30),
            post("after", 5, hours=1, rkey="3kafter"),
            post("deleted later", 6, rkey="3kdeleted"),
            delete(7, rkey="3kdeleted", hours=40),
        ],
    )
    drain(settings)
    connection = connect(settings)
    relation = current_rows(Store(settings.lake_dir), "posts", NOON_US, NOON_US + HOUR_US)
    found = connection.execute(f"SELECT text FROM {relation} ORDER BY text").fetchall()
    connection.close()
    assert found == [("edited",), ("in",)]


def test_current_accounts_are_the_newest_of_each_kind(buffer: Buffer, settings: Settings) -> None:
    def identity(handle: str, seq: int, hours: int) -> bytes:
        body = {"did": "did:plc:a", "handle": handle, "seq": seq, "time": "2026-07-04T12:00:00Z"}
        frame = {"did": "did:plc:a", "time_us": NOON_US + hours * HOUR_US, "kind": "identity", "identity": body}
        return json.dumps(frame).encode()

    feed(buffer, [identity("old.example", 1, 0), identity("new.example", 2, 1), account("did:plc:a", True, seq=3)])
    drain(settings)
    assert sorted(rows(settings, "SELECT kind, handle FROM accounts"), key=str) == [
        {"kind": "account", "handle": None},
        {"kind": "identity", "handle": "new.example"},
    ]
