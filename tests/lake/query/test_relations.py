"""What is current: updates replace, deletes hide, inactive accounts hide; by rev, in whatever order and hour."""

import json
from datetime import UTC, datetime

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.drain import drain
from bluelake.lake.query.duck import connect
from bluelake.lake.query.relations import current_rows
from bluelake.lake.search import Searcher, SearchQuery
from ingest.wire_v2 import WireV2
from tests.support.buffers import feed
from tests.support.frames import NOON_US, account, commit_frame, identity, sync, tid
from tests.support.lakes import rows, values

HOUR_US = 3_600_000_000
POST = "app.bsky.feed.post"
NOON = datetime(2026, 7, 4, 12, tzinfo=UTC)


def post(text: str, rev: int, *, hours: int = 0, operation: str = "create", rkey: str = "3ka") -> bytes:
    return commit_frame(
        POST, rkey=rkey, rev=rev, time_us=NOON_US + hours * HOUR_US, operation=operation, record={"text": text}
    )


def delete(rev: int, *, collection: str = POST, hours: int = 0, rkey: str = "3ka") -> bytes:
    return commit_frame(collection, rkey=rkey, rev=rev, time_us=NOON_US + hours * HOUR_US, operation="delete")


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
        ([post("one", 1), delete(2, hours=1), post("two", 3, hours=2), delete(4, hours=3)], []),
        ([post("one", 1), delete(2, hours=40), post("again", 3, hours=80)], ["again"]),
        ([post("A", 1), post("B", 2, operation="update", hours=30), post("A", 3, operation="update", hours=60)], ["A"]),
        ([post("one", 1, hours=1), post("two", 2, operation="update")], ["two"]),
        ([post("one", 1, hours=1), delete(2)], []),
        ([post("one", 1), sync(2)], []),
        ([post("one", 1), sync(2, hours=40)], []),
        ([post("one", 1, hours=1), sync(2)], []),
        ([post("one", 1), sync(2, did="did:plc:bbbbbbbbbbbbbbbbbbbbbbbb")], ["one"]),
        ([post("one", 1), sync(2), post("again", 3)], ["again"]),
        ([post("one", 3), sync(3), sync(2)], ["one"]),
        ([post("one", 1), post("two", 2, operation="update"), sync(3)], []),
        ([post("one", 1), sync(2), post("two", 3, operation="update")], ["two"]),
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


@pytest.mark.parametrize("gone", [delete(2, hours=2), sync(2, hours=2)], ids=["delete", "reset"])
@pytest.mark.parametrize(
    ("first", "last", "texts"),
    [(-100, 100, ["three"]), (4, 100, ["three"]), (4, 6, ["three"]), (0, 4, []), (-100, 4, []), (6, 100, [])],
)
def test_an_interval_after_a_delete_holds_what_was_made_anew_in_it(
    gone: bytes, first: int, last: int, texts: list[str], buffer: Buffer, settings: Settings
) -> None:
    for frame in (post("one", 1), gone, post("two", 3, hours=5), post("three", 4, hours=6, operation="update")):
        feed(buffer, [frame])
        drain(settings)
    store, span = Store(settings.lake_dir), (NOON_US + first * HOUR_US, NOON_US + last * HOUR_US)
    with connect(settings) as connection:
        found = connection.execute(f"SELECT text FROM {current_rows(store, 'posts', *span)}").fetchall()
    assert [text for (text,) in found] == texts
    page = Searcher(store, settings).search(SearchQuery(start_us=span[0], end_us=span[1]))
    assert [found.text for found in page.posts] == texts


def test_a_post_made_anew_after_a_reset_begins_anew(buffer: Buffer, settings: Settings) -> None:
    feed(
        buffer,
        [post("one", 1), sync(2, hours=1), post("two", 3, hours=2), post("three", 4, hours=3, operation="update")],
    )
    drain(settings)
    assert rows(settings, "SELECT text, hour FROM posts") == [{"text": "three", "hour": "14"}]


def test_a_reset_is_found_in_a_file_of_many_other_deletes(buffer: Buffer, settings: Settings) -> None:
    others = [delete(9, collection=name, rkey="3kz") for name in ("app.bsky.feed.like", "app.bsky.graph.follow")]
    feed(buffer, [post("one", 1), commit_frame(rkey="3kl", rev=1), sync(5, hours=2), *others])
    drain(settings)
    feed(buffer, [post("two", 2, rkey="3kb"), delete(9, rkey="3kz")])
    drain(settings)
    assert values(settings, "SELECT text FROM posts") == []
    assert values(settings, "SELECT rkey FROM likes") == []
    connection = connect(settings)
    relation = current_rows(Store(settings.lake_dir), "posts", NOON_US, NOON_US + HOUR_US)
    assert connection.execute(f"SELECT text FROM {relation}").fetchall() == []
    connection.close()


def test_a_profile_written_anew_stands_alone_even_where_its_delete_was_missed(
    buffer: Buffer, settings: Settings
) -> None:
    def profile(name: str, rev: int, hours: int) -> bytes:
        return commit_frame(
            "app.bsky.actor.profile",
            rkey="self",
            rev=rev,
            time_us=NOON_US + hours * HOUR_US,
            record={"displayName": name},
        )

    for frame in (profile("third", 5, 60), profile("first", 1, 0), profile("second", 3, 30)):
        feed(buffer, [frame])
        drain(settings)
    assert values(settings, "SELECT display_name FROM profiles") == ["third"]
    feed(buffer, [delete(7, collection="app.bsky.actor.profile", rkey="self", hours=1)])
    drain(settings)
    assert values(settings, "SELECT display_name FROM profiles") == []


@pytest.mark.parametrize("status", ["deactivated", "suspended", "takendown", "deleted"])
def test_an_accounts_status_is_the_relays_newest_whatever_the_hosts_clocks_say(
    status: str, buffer: Buffer, settings: Settings
) -> None:
    did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
    gone = account(did, False, seq=11, hours=0, at="2026-07-04T12:00:02Z", status=status)
    feed(buffer, [post("one", 1), gone, account(did, True, seq=10, hours=3, at="2026-07-04T12:00:01Z")])
    drain(settings)
    assert values(settings, "SELECT text FROM posts") == []
    assert values(settings, "SELECT status FROM accounts") == [status]
    # The same second of the relay: its number decides.
    feed(buffer, [account(did, True, seq=12, hours=-1, at="2026-07-04T12:00:02Z")])
    drain(settings)
    assert values(settings, "SELECT text FROM posts") == ["one"]
    assert values(settings, "SELECT seq FROM accounts") == [12]


def test_a_handle_is_the_relays_newest_whatever_the_hosts_clocks_say(buffer: Buffer, settings: Settings) -> None:
    feed(
        buffer,
        [
            identity("did:plc:a", "new.example", seq=2, at="2026-07-04T12:00:02Z"),
            identity("did:plc:a", "old.example", seq=9, hours=5, at="2026-07-04T12:00:01Z"),
        ],
    )
    drain(settings)
    assert values(settings, "SELECT handle FROM accounts") == ["new.example"]


def test_current_accounts_are_the_newest_of_each_kind(buffer: Buffer, settings: Settings) -> None:
    feed(
        buffer,
        [
            identity("did:plc:a", "old.example", seq=1),
            identity("did:plc:a", "new.example", seq=2, hours=1),
            account("did:plc:a", True, seq=3),
        ],
    )
    drain(settings)
    assert sorted(rows(settings, "SELECT kind, handle FROM accounts"), key=str) == [
        {"kind": "account", "handle": None},
        {"kind": "identity", "handle": "new.example"},
    ]


def test_a_sync_of_the_v2_wire_resets_the_repository(buffer: Buffer, settings: Settings) -> None:
    did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
    payload = {
        "$type": "network.bsky.jetstream.subscribeEvents#sync",
        "seq": 9,
        "did": did,
        "time": "2026-07-04T13:00:00.000001Z",
        "sync": {"did": did, "rev": tid(5), "seq": 77, "time": "2026-07-04T13:00:00Z"},
    }
    routed = WireV2(2**62).route(json.dumps({"$type": "message", "payload": payload}).encode())
    assert isinstance(routed, tuple)
    assert routed[0] == "deletes"
    feed(buffer, [post("before", 4, rkey="3ka"), post("after", 6, rkey="3kb", hours=2), routed[1]])
    drain(settings)
    assert values(settings, "SELECT text FROM posts") == ["after"]
    assert values(settings, "SELECT count(*) FROM rejects") == [0]
