"""What is current: updates replace, deletes hide, inactive accounts hide; by rev, in whatever order and hour.

Most cases write their rows straight into Delta tables. One lake holds all cases of the table below as a drain brings them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.drain import drain
from bluelake.lake.query.duck import connect
from bluelake.lake.query.relations import all_rows, current_rows
from bluelake.lake.search import Searcher, SearchQuery
from ingest.wire_v2 import WireV2
from tests.support import frames
from tests.support import rows as made
from tests.support.buffers import feed
from tests.support.frames import ANN, BOB, HOUR_US, LIKE, NOON_US, POST, PROFILE, account, commit_frame, identity, tid
from tests.support.lakes import Lake, rows, values

NOON = datetime(2026, 7, 4, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """A post, a delete or a reset, as a frame and as the row that it becomes. `did`: None for the case's own account."""

    rev: int
    hours: int = 0
    text: str | None = None
    operation: str = "create"
    rkey: str = "3ka"
    collection: str = POST
    did: str | None = None

    @property
    def table(self) -> str:
        """Where its row goes."""
        return "posts" if self.text is not None else "deletes"

    def frame(self, did: str = ANN) -> bytes:
        """What the ingester writes of it."""
        if self.collection == "*":
            return frames.sync(self.rev, hours=self.hours, did=self.did or did)
        return commit_frame(
            self.collection,
            did=self.did or did,
            rkey=self.rkey,
            rev=self.rev,
            time_us=NOON_US + self.hours * HOUR_US,
            operation=self.operation if self.text is not None else "delete",
            record={"text": self.text},
        )

    def row(self, did: str = ANN) -> made.Row:
        """What a drain makes of it."""
        did, at = self.did or did, NOON + timedelta(hours=self.hours)
        if self.text is None:
            return made.delete(self.rkey, at=at, did=did, rev=self.rev, collection=self.collection)
        return made.post(self.text, at=at, did=did, rkey=self.rkey, rev=self.rev, operation=self.operation)


def post(text: str, rev: int, *, hours: int = 0, operation: str = "create", rkey: str = "3ka") -> Event:
    return Event(rev, hours, text, operation, rkey)


def update(text: str, rev: int, *, hours: int = 0) -> Event:
    return Event(rev, hours, text, "update")


def delete(rev: int, *, collection: str = POST, hours: int = 0, rkey: str = "3ka") -> Event:
    return Event(rev, hours, collection=collection, rkey=rkey)


def reset(rev: int, *, hours: int = 0, did: str | None = None) -> Event:
    return Event(rev, hours, collection="*", rkey="*", did=did)


# What came, in the order of its revs, and the texts that are current then.
CASES: dict[str, tuple[list[Event], list[str]]] = {
    "a post": ([post("one", 1)], ["one"]),
    "deleted": ([post("one", 1), delete(2)], []),
    "deleted a day later": ([post("one", 1), delete(2, hours=30)], []),
    "delete of another collection": ([post("one", 1), delete(2, collection=LIKE)], ["one"]),
    "delete of another key": ([post("one", 1), delete(2, rkey="3kother")], ["one"]),
    "made anew": ([post("one", 1), delete(2), post("again", 3)], ["again"]),
    "updated a day later": ([post("one", 1), update("two", 2, hours=26)], ["two"]),
    "updated there and back": ([post("A", 1), update("B", 2), update("A", 3)], ["A"]),
    "updated and deleted": ([post("one", 1), update("two", 2), delete(3)], []),
    "made anew and updated": ([post("one", 1), delete(2), post("two", 3), update("three", 4)], ["three"]),
    "made anew and deleted": ([post("one", 1), delete(2, hours=1), post("two", 3, hours=2), delete(4, hours=3)], []),
    "made anew days later": ([post("one", 1), delete(2, hours=40), post("again", 3, hours=80)], ["again"]),
    "updated over days": ([post("A", 1), update("B", 2, hours=30), update("A", 3, hours=60)], ["A"]),
    "an update of an earlier hour": ([post("one", 1, hours=1), update("two", 2)], ["two"]),
    "a delete of an earlier hour": ([post("one", 1, hours=1), delete(2)], []),
    "reset": ([post("one", 1), reset(2)], []),
    "reset days later": ([post("one", 1), reset(2, hours=40)], []),
    "a reset of an earlier hour": ([post("one", 1, hours=1), reset(2)], []),
    "reset of another account": ([post("one", 1), reset(2, did=BOB)], ["one"]),
    "made anew after a reset": ([post("one", 1), reset(2), post("again", 3)], ["again"]),
    "resets up to its rev": ([post("one", 3), reset(3), reset(2)], ["one"]),
    "updated and reset": ([post("one", 1), update("two", 2), reset(3)], []),
    "updated after a reset": ([post("one", 1), reset(2), update("two", 3)], ["two"]),
    "an update alone": ([update("edit of what came before the lake", 5)], ["edit of what came before the lake"]),
}
LAYOUTS = {
    "in order, one batch": (False, True),
    "in order, a batch each": (False, False),
    "backwards, one batch": (True, True),
    "backwards, a batch each": (True, False),
}


def batches(events: list[Event], layout: str) -> list[list[Event]]:
    """`events` as they come: in which order, and what with what."""
    backwards, together = LAYOUTS[layout]
    ordered = events[::-1] if backwards else events
    return [ordered] if together else [[event] for event in ordered]


def write(lake: Lake, *together: Sequence[Event]) -> None:
    """Commit the rows of some batches."""
    for batch in together:
        found = {name: [event.row() for event in batch if event.table == name] for name in ("posts", "deletes")}
        lake.write(found["posts"], deletes=found["deletes"])


@pytest.fixture(scope="module")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that asks many lakes."""
    with connect(Settings(bluelake_home=tmp_path_factory.mktemp("duck"))) as connection:
        yield connection


@pytest.fixture
def lake(lake_settings: Settings) -> Lake:
    return Lake(lake_settings)


def texts_of(duck: duckdb.DuckDBPyConnection, lake: Lake, *span: int) -> list[str]:
    """The texts of the current posts first seen within `span`, microseconds; of all without one."""
    relation = current_rows(lake.store, "posts", *span)
    return [text for (text,) in duck.execute(f"SELECT text FROM {relation} ORDER BY text").fetchall()]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES)
def test_posts(case: str, layout: str, lake: Lake, duck: duckdb.DuckDBPyConnection) -> None:
    events, texts = CASES[case]
    write(lake, *batches(events, layout))
    assert texts_of(duck, lake) == texts
    stored = sum(event.table == "posts" for event in events)
    assert duck.execute(f"SELECT count(*) FROM {all_rows(lake.store, 'posts')}").fetchone() == (stored,)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_posts_of_many_accounts_as_a_drain_brings_them(layout: str, buffer: Buffer, settings: Settings) -> None:
    """Each case is of an account of its own. What the drain writes are the rows that the other tests write by hand."""
    dids = {case: f"did:plc:{letter * 24}" for case, letter in zip(CASES, "cdefghijklmnopqrstuvwxyz", strict=True)}
    rounds: dict[int, list[tuple[Event, str]]] = {}
    for case, (events, _) in CASES.items():
        for number, batch in enumerate(batches(events, layout)):
            rounds.setdefault(number, []).extend((event, dids[case]) for event in batch)
    for together in rounds.values():
        feed(buffer, [event.frame(did) for event, did in together], chunk_events=1000)
        (drained,) = drain(settings)
        assert (drained.rows_out, drained.duplicates, drained.rejects_by_reason) == (len(together), 0, {})

    shown: dict[str, list[str]] = {did: [] for did in dids.values()}
    for row in rows(settings, "SELECT did, text FROM posts"):
        shown[row["did"]].append(row["text"])
    assert shown == {dids[case]: texts for case, (_, texts) in CASES.items()}
    for table in ("posts", "deletes"):
        by_hand = [event.row(did) for together in rounds.values() for event, did in together if event.table == table]
        names = ", ".join(f'"{name}"' for name in by_hand[0])
        stored = rows(settings, f"SELECT {names} FROM {table}_all")
        assert sorted(stored, key=str) == sorted(by_hand, key=str)


def test_an_updated_post_keeps_its_first_hour_and_shows_its_last_text(lake: Lake, lake_settings: Settings) -> None:
    write(lake, [post("one", 1), update("two", 2, hours=2)])
    (row,) = rows(lake_settings, "SELECT event_at, text, day, hour, operation FROM posts")
    assert row == {"event_at": NOON, "text": "two", "day": "04", "hour": "12", "operation": "update"}


@pytest.mark.parametrize("gone", [delete(2, hours=1), reset(2, hours=1)], ids=["delete", "reset"])
def test_a_post_made_anew_begins_anew(gone: Event, lake: Lake, lake_settings: Settings) -> None:
    write(lake, [post("one", 1), gone, post("two", 3, hours=2), update("three", 4, hours=3)])
    assert rows(lake_settings, "SELECT text, hour FROM posts") == [{"text": "three", "hour": "14"}]


def test_posts_of_an_account_that_is_not_active_are_hidden_until_it_is(buffer: Buffer, settings: Settings) -> None:
    did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
    feed(buffer, [post("one", 1).frame(), account(did, False, seq=1, hours=1)])
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


def test_an_interval_holds_what_was_first_seen_in_it(lake: Lake, duck: duckdb.DuckDBPyConnection) -> None:
    edited = post("edited later", 3, rkey="3kedited")
    events = [
        post("before", 1, hours=-1, rkey="3kbefore"),
        post("in", 2, rkey="3kin"),
        edited,
        replace(edited, text="edited", rev=4, operation="update", hours=30),
        post("after", 5, hours=1, rkey="3kafter"),
        post("deleted later", 6, rkey="3kdeleted"),
        delete(7, rkey="3kdeleted", hours=40),
    ]
    write(lake, events)
    assert texts_of(duck, lake, NOON_US, NOON_US + HOUR_US) == ["edited", "in"]


@pytest.mark.parametrize("gone", [delete(2, hours=2), reset(2, hours=2)], ids=["delete", "reset"])
@pytest.mark.parametrize(
    ("first", "last", "texts"),
    [
        pytest.param(-100, 100, ["three"], id="all of it"),
        pytest.param(4, 100, ["three"], id="from after the delete"),
        pytest.param(4, 6, ["three"], id="the second post without its update"),
        pytest.param(0, 4, [], id="the first post and its delete"),
        pytest.param(-100, 4, [], id="up to after the delete"),
        pytest.param(6, 100, [], id="from the update"),
    ],
)
def test_an_interval_after_a_delete_holds_what_was_made_anew_in_it(
    gone: Event,
    first: int,
    last: int,
    texts: list[str],
    lake: Lake,
    lake_settings: Settings,
    duck: duckdb.DuckDBPyConnection,
) -> None:
    write(lake, [post("one", 1)], [gone], [post("two", 3, hours=5)], [update("three", 4, hours=6)])
    span = (NOON_US + first * HOUR_US, NOON_US + last * HOUR_US)
    assert texts_of(duck, lake, *span) == texts
    page = Searcher(lake.store, lake_settings).search(SearchQuery(start_us=span[0], end_us=span[1]))
    assert [found.text for found in page.posts] == texts


def test_a_reset_is_found_in_a_file_of_many_other_deletes(
    buffer: Buffer, settings: Settings, duck: duckdb.DuckDBPyConnection
) -> None:
    others = [delete(9, collection=name, rkey="3kz") for name in (LIKE, "app.bsky.graph.follow")]
    like = commit_frame(rkey="3kl", rev=1)
    feed(buffer, [like, *(event.frame() for event in (post("one", 1), reset(5, hours=2), *others))])
    drain(settings)
    feed(buffer, [post("two", 2, rkey="3kb").frame(), delete(9, rkey="3kz").frame()])
    drain(settings)
    assert values(settings, "SELECT text FROM posts") == []
    assert values(settings, "SELECT rkey FROM likes") == []
    relation = current_rows(Store(settings.lake_dir), "posts", NOON_US, NOON_US + HOUR_US)
    assert duck.execute(f"SELECT text FROM {relation}").fetchall() == []


def test_a_profile_written_anew_stands_alone_even_where_its_delete_was_missed(
    buffer: Buffer, settings: Settings
) -> None:
    def profile(name: str, rev: int, hours: int) -> bytes:
        return commit_frame(
            PROFILE,
            rkey="self",
            rev=rev,
            time_us=NOON_US + hours * HOUR_US,
            record={"displayName": name},
        )

    for frame in (profile("third", 5, 60), profile("first", 1, 0), profile("second", 3, 30)):
        feed(buffer, [frame])
        drain(settings)
    assert values(settings, "SELECT display_name FROM profiles") == ["third"]
    feed(buffer, [delete(7, collection=PROFILE, rkey="self", hours=1).frame()])
    drain(settings)
    assert values(settings, "SELECT display_name FROM profiles") == []


@pytest.mark.parametrize("status", ["deactivated", "suspended", "takendown", "deleted"])
def test_an_accounts_status_is_the_relays_newest_whatever_the_hosts_clocks_say(
    status: str, buffer: Buffer, settings: Settings
) -> None:
    did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
    gone = account(did, False, seq=11, hours=0, at="2026-07-04T12:00:02Z", status=status)
    feed(buffer, [post("one", 1).frame(), gone, account(did, True, seq=10, hours=3, at="2026-07-04T12:00:01Z")])
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
    feed(buffer, [post("before", 4).frame(), post("after", 6, rkey="3kb", hours=2).frame(), routed[1]])
    drain(settings)
    assert values(settings, "SELECT text FROM posts") == ["after"]
    assert values(settings, "SELECT count(*) FROM rejects") == [0]
