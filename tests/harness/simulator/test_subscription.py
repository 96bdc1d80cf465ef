"""Queries of `/subscribe`: what they ask for, and what is refused."""

import pytest

from harness.simulator.errors import SubscriptionError
from harness.simulator.subscription import MOST_COLLECTIONS, MOST_DIDS, Subscription, parse_subscription


def test_nothing_asked_for_is_everything_from_now_on() -> None:
    assert parse_subscription("") == Subscription()
    assert parse_subscription("cursor=") == Subscription()
    assert parse_subscription("unknown=1&compress=false") == Subscription()


def test_compression_is_asked_for() -> None:
    assert parse_subscription("compress=true").compress


def test_parameters_may_be_repeated() -> None:
    query = "wantedCollections=app.bsky.feed.post&wantedCollections=app.bsky.graph.*&wantedDids=did:plc:a&wantedDids=did:web:b.c"
    found = parse_subscription(query + "&cursor=1783175888000000")
    assert found.collections == {"app.bsky.feed.post"}
    assert found.prefixes == ("app.bsky.graph.",)
    assert found.dids == {"did:plc:a", "did:web:b.c"}
    assert found.cursor == 1_783_175_888_000_000


@pytest.mark.parametrize("cursor", ["-1", "0", "+5", "9223372036854775807"])
def test_cursors(cursor: str) -> None:
    assert parse_subscription(f"cursor={cursor.replace('+', '%2B')}").cursor == int(cursor)


@pytest.mark.parametrize(
    ("wanted", "name", "expected"),
    [
        ("app.bsky.feed.post", "app.bsky.feed.post", True),
        ("app.bsky.feed.post", "app.bsky.feed.postgate", False),
        ("app.bsky.feed.*", "app.bsky.feed.like", True),
        ("app.bsky.feed.*", "app.bsky.feedless.like", False),
        ("app.bsky.*", "app.bsky.graph.follow", True),
        ("app.*", "fm.teal.alpha.actor.status", False),
        ("app.bsky.feed.post", "", True),
        ("app.bsky.*", "#sync", False),
    ],
)
def test_collections(wanted: str, name: str, expected: bool) -> None:
    assert parse_subscription(f"wantedCollections={wanted}").wants_collection(name) is expected


@pytest.mark.parametrize(
    "query",
    [
        "cursor=yesterday",
        "cursor=1.5",
        "cursor=9223372036854775808",
        "cursor=٣",
        "wantedCollections=",
        "wantedCollections=post",
        "wantedCollections=*",
        "wantedCollections=app.bsky.feed.post*",
        "wantedCollections=app.bsky.*.post",
        "wantedDids=alice.bsky.social",
        "wantedDids=did:plc:a/b",
        "requireHello=true",
        "&".join(f"wantedCollections=app.bsky.c{number}.*" for number in range(MOST_COLLECTIONS + 1)),
        "&".join(f"wantedDids=did:plc:{number}" for number in range(MOST_DIDS + 1)),
    ],
)
def test_what_is_refused_names_the_parameter(query: str) -> None:
    with pytest.raises(SubscriptionError, match=query.split("=")[0]):
        parse_subscription(query)


def test_as_many_as_jetstream_takes() -> None:
    query = "&".join(f"wantedDids=did:plc:{number}" for number in range(MOST_DIDS))
    assert len(parse_subscription(query).dids) == MOST_DIDS
