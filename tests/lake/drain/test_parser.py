"""Frames into rows, one oddity at a time, through a real Redis and a drain."""

import json
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

import bluelake.lake.drain.parser as parse_module
from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.drain.drainer import drain
from tests.support.buffers import feed
from tests.support.frames import NOON_US, commit_frame, tid
from tests.support.lakes import rows, values

POST = "app.bsky.feed.post"


def post(record: dict[str, Any], **keywords: Any) -> bytes:
    return commit_frame(POST, record=record, **keywords)


def reset(**changes: object) -> bytes:
    """A reset of a repository as the ingester writes it, with `changes` in its commit."""
    commit = {"rev": tid(5), "operation": "delete", "collection": "*", "rkey": "*", **changes}
    frame = {"did": "did:plc:aaaa", "time_us": NOON_US, "kind": "sync", "commit": commit}
    return json.dumps(frame, separators=(",", ":")).encode()


def drained_post(buffer: Buffer, settings: Settings, record: dict[str, Any]) -> dict[str, Any]:
    feed(buffer, [post(record)])
    drain(settings)
    (row,) = rows(settings, "SELECT * FROM posts_all")
    return row


def facet(*features: dict[str, str]) -> dict[str, Any]:
    return {"index": {"byteStart": 0, "byteEnd": 1}, "features": list(features)}


def test_facets_tags_links_and_mentions(buffer: Buffer, settings: Settings) -> None:
    row = drained_post(
        buffer,
        settings,
        {
            "text": "#Rust @ann https://Example.org/a",
            "tags": ["rust", "Systems"],
            "facets": [
                facet({"$type": "app.bsky.richtext.facet#tag", "tag": "Rust"}),
                facet({"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:ann"}),
                facet({"$type": "app.bsky.richtext.facet#link", "uri": "https://me@Example.org:8443/a"}),
                facet({"$type": "app.bsky.richtext.facet#link", "uri": "https://me@Example.org:8443/a"}),
                facet({"$type": "app.bsky.richtext.facet#unknown", "uri": "https://no"}),
            ],
        },
    )
    assert row["hashtags"] == ["Rust", "Systems"]
    assert row["mentions"] == ["did:plc:ann"]
    assert row["links"] == ["https://me@Example.org:8443/a"]
    assert row["domains"] == ["example.org"]


@pytest.mark.parametrize(
    ("text", "hashtags"),
    [
        ("plain", []),
        ("#one and #Two, #one #ONE", ["one", "Two"]),
        ("＃全角 と #日本語", ["全角", "日本語"]),
        ("no#tag a#b", []),
        ("#123 #1a", ["1a"]),
        ("(#not) #yes!", ["yes"]),
    ],
)
def test_hashtags_in_the_text_count_where_none_are_stated(
    text: str, hashtags: list[str], buffer: Buffer, settings: Settings
) -> None:
    assert drained_post(buffer, settings, {"text": text})["hashtags"] == hashtags


@pytest.mark.parametrize(
    ("embed", "expected"),
    [
        (None, {"embed": "none", "media_count": 0, "alt_texts": [], "quote_did": None}),
        (
            {"$type": "app.bsky.embed.images", "images": [{"alt": "a cat"}, {"alt": ""}, {"alt": "a dog"}]},
            {"embed": "images", "media_count": 3, "alt_texts": ["a cat", "a dog"]},
        ),
        (
            {"$type": "app.bsky.embed.video", "alt": "a film", "video": {"$type": "blob"}},
            {"embed": "video", "media_count": 1, "alt_texts": ["a film"]},
        ),
        (
            {"$type": "app.bsky.embed.external", "external": {"uri": "https://news.example/x", "title": "t"}},
            {"embed": "external", "media_count": 0, "links": ["https://news.example/x"], "domains": ["news.example"]},
        ),
        (
            {"$type": "app.bsky.embed.record", "record": {"uri": f"at://did:plc:q/{POST}/3kq", "cid": "b"}},
            {"embed": "record", "quote_did": "did:plc:q", "quote_rkey": "3kq", "media_count": 0},
        ),
        (
            {"$type": "app.bsky.embed.record", "record": {"uri": "at://did:plc:q/app.bsky.graph.list/3kq"}},
            {"embed": "record", "quote_did": None, "quote_rkey": None},
        ),
        (
            {
                "$type": "app.bsky.embed.recordWithMedia",
                "record": {"$type": "app.bsky.embed.record", "record": {"uri": f"at://did:plc:q/{POST}/3kq"}},
                "media": {"$type": "app.bsky.embed.images", "images": [{"alt": "x"}]},
            },
            {"embed": "record_with_media", "quote_rkey": "3kq", "media_count": 1, "alt_texts": ["x"]},
        ),
        ({"$type": "org.example.embed"}, {"embed": "other", "media_count": 0}),
        ("nonsense", {"embed": "none", "media_count": 0}),
    ],
)
def test_embeds(embed: Any, expected: dict[str, Any], buffer: Buffer, settings: Settings) -> None:
    record = {"text": "x"} | ({} if embed is None else {"embed": embed})
    row = drained_post(buffer, settings, record)
    assert {name: row[name] for name in expected} == expected


def test_replies_labels_and_languages(buffer: Buffer, settings: Settings) -> None:
    row = drained_post(
        buffer,
        settings,
        {
            "text": "x",
            "langs": ["ja", "en"],
            "reply": {"parent": {"uri": f"at://did:plc:p/{POST}/3kp"}, "root": {"uri": f"at://did:plc:r/{POST}/3kr"}},
            "labels": {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "nudity"}]},
        },
    )
    assert (row["reply_parent_did"], row["reply_parent_rkey"]) == ("did:plc:p", "3kp")
    assert (row["reply_root_did"], row["reply_root_rkey"]) == ("did:plc:r", "3kr")
    assert (row["labels"], row["langs"]) == (["nudity"], ["ja", "en"])


def test_posts_lie_in_the_hour_that_the_network_saw_them(buffer: Buffer, settings: Settings) -> None:
    feed(buffer, [post({"text": "x", "createdAt": "1999-01-01T00:00:00Z"}, time_us=NOON_US - 1)])
    drain(settings)
    (row,) = rows(settings, "SELECT year, month, day, hour, user_did FROM posts_all")
    assert row == {"year": "2026", "month": "07", "day": "04", "hour": "11", "user_did": "other"}
    folder = settings.lake_dir / "posts" / "year=2026" / "month=07" / "day=04" / "hour=11" / "user_did=other"
    assert len(list(folder.glob("*.parquet"))) == 1


@pytest.mark.parametrize(
    ("claimed", "stored"),
    [
        ("2026-07-04T14:38:08.999Z", datetime(2026, 7, 4, 14, 38, 8, 999000, UTC)),
        ("2026-07-04T14:38:08.123456789+02:00", datetime(2026, 7, 4, 12, 38, 8, 123456, UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("294247-01-10T04:00:54Z", None),
        ("yesterday", None),
        ("infinity", None),
        ("epoch", None),
        ("", None),
        (7, None),
        (None, None),
        ({"a": 1}, None),
    ],
)
def test_claimed_times_are_kept_or_null_and_never_stop_a_row(
    claimed: Any, stored: datetime | None, buffer: Buffer, settings: Settings
) -> None:
    feed(buffer, [post({"text": "x", "createdAt": claimed})])
    (batch,) = drain(settings)
    assert values(settings, "SELECT created_at FROM posts_all") == [stored]
    assert batch.anomalies == ({} if stored else {"created_at_invalid": 1})


def test_nul_and_a_megabyte_of_text_are_text(buffer: Buffer, settings: Settings) -> None:
    long = "ぁ" * 350_000
    feed(buffer, [post({"text": "a\x00b"}, rkey="3kaaa"), post({"text": long}, rkey="3kbbb")])
    (batch,) = drain(settings)
    assert values(settings, "SELECT text FROM posts_all ORDER BY rkey") == ["a\x00b", long]
    assert batch.anomalies == {"nul_in_text": 1}


GOOD = commit_frame(rkey="3kgood")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (GOOD.replace(b'"rkey":"3kgood"', b'"rkey":"\\ud800"'), "lone_surrogate"),
        (GOOD.replace(b"3kgood", b"\xff\xfe"), "not_utf8"),
        (GOOD.replace(b'"did":"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa",', b""), "missing_field"),
        (GOOD.replace(b"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", b"ann"), "invalid_did"),
        (GOOD.replace(b"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", b"did:plc:../../etc"), "invalid_did"),
        (GOOD.replace(b'"did":"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"', b'"did":5'), "invalid_did"),
        (GOOD.replace(b'"rkey":"3kgood"', b'"rkey":"../x"'), "invalid_rkey"),
        (GOOD.replace(b'"rkey":"3kgood"', b'"rkey":".."'), "invalid_rkey"),
        (GOOD.replace(b'"rkey":"3kgood"', b'"rkey":"*"'), "invalid_rkey"),
        (commit_frame("app.bsky.feed.like", rkey="*", operation="delete"), "invalid_rkey"),
        (reset(collection="app.bsky.feed.like"), "invalid_record"),
        (reset(rkey="3k"), "invalid_record"),
        (reset(rev="3k"), "invalid_rev"),
        (reset(rev=None), "missing_field"),
        (GOOD.replace(b'"rkey":"3kgood"', b'"x":1'), "missing_field"),
        (GOOD.replace(tid(1000).encode(), b"1111111111111"), "invalid_rev"),
        (GOOD.replace(tid(1000).encode(), b"3k"), "invalid_rev"),
        (GOOD.replace(b"at://did:plc:bbbb", b"https://x"), "invalid_record"),
        (commit_frame(record={"subject": 7}), "invalid_record"),
        (commit_frame("app.bsky.graph.follow", record={"subject": "ann"}), "invalid_record"),
        (post({"text": 5}), "invalid_record"),
        (post({"text": {"a": 1}}), "invalid_record"),
        (post({"langs": ["en"]}), "invalid_record"),
        (post({"text": None}), "invalid_record"),
    ],
)
def test_what_cannot_be_a_row_is_kept_with_its_reason_and_hurts_nothing_around_it(
    frame: bytes, reason: str, buffer: Buffer, settings: Settings
) -> None:
    around = [commit_frame(rkey=f"3k{letter}") for letter in "bcdefg"]
    assert frame != GOOD
    feed(buffer, [*around[:3], frame, *around[3:]])
    (batch,) = drain(settings)

    assert rows(settings, "SELECT reason, raw FROM rejects_all") == [{"reason": reason, "raw": frame}]
    assert batch.rejects_by_reason == {reason: 1}
    assert values(settings, "SELECT rkey FROM likes_all ORDER BY rkey") == [f"3k{letter}" for letter in "bcdefg"]


def test_many_broken_frames_among_good_ones(buffer: Buffer, settings: Settings) -> None:
    frames = []
    for number in range(400):
        frame = commit_frame(rkey=f"3k{number:04d}")
        frames.append(frame.replace(b"did:plc:bbbb", b"\\ud800") if number % 7 == 0 else frame)
    feed(buffer, frames, chunk_events=50)
    (batch,) = drain(settings)
    assert batch.rejects_by_reason == {"lone_surrogate": 58}
    assert values(settings, "SELECT count(*) FROM likes_all") == [342]


def test_accounts_hold_both_kinds(buffer: Buffer, settings: Settings) -> None:
    identity = {"did": "did:plc:a", "handle": "ann.example", "seq": 7, "time": "2026-07-04T11:59:59.000Z"}
    account = {"active": False, "did": "did:plc:a", "seq": 8, "status": "takendown", "time": "2026-07-04T12:00:00Z"}
    feed(
        buffer,
        [
            json.dumps({"did": "did:plc:a", "time_us": NOON_US, "kind": "identity", "identity": identity}).encode(),
            json.dumps({"did": "did:plc:a", "time_us": NOON_US + 1, "kind": "account", "account": account}).encode(),
        ],
    )
    drain(settings)
    stored = rows(settings, "SELECT kind, handle, active, status, seq, created_at FROM accounts_all ORDER BY seq")
    assert stored == [
        {
            "kind": "identity",
            "handle": "ann.example",
            "active": None,
            "status": None,
            "seq": 7,
            "created_at": datetime(2026, 7, 4, 11, 59, 59, tzinfo=UTC),
        },
        {
            "kind": "account",
            "handle": None,
            "active": False,
            "status": "takendown",
            "seq": 8,
            "created_at": datetime(2026, 7, 4, 12, tzinfo=UTC),
        },
    ]


def test_profiles(buffer: Buffer, settings: Settings) -> None:
    record = {"displayName": "Ann 🌊", "description": "d", "pinnedPost": {"uri": f"at://did:plc:a/{POST}/3kpin"}}
    feed(buffer, [commit_frame("app.bsky.actor.profile", rkey="self", operation="update", record=record)])
    drain(settings)
    (row,) = rows(settings, "SELECT display_name, description, pinned_post_rkey, operation FROM profiles_all")
    assert row == {"display_name": "Ann 🌊", "description": "d", "pinned_post_rkey": "3kpin", "operation": "update"}


def test_what_does_not_fit_the_memory_is_parsed_on_one_thread() -> None:
    class Small:
        """A DuckDB whose memory holds the frames of one thread."""

        def __init__(self) -> None:
            self.real = duckdb.connect(config={"threads": 3})
            self.parsed_on: list[int] = []

        def execute(self, statement: str) -> duckdb.DuckDBPyConnection:
            if statement.startswith("CREATE"):
                (threads,) = self.real.execute("SELECT current_setting('threads')").fetchone() or (0,)
                self.parsed_on.append(threads)
                if threads > 1:
                    raise duckdb.OutOfMemoryException("could not allocate")
            return self.real.execute(statement)

    small = Small()
    parse_module._create(small, "parsed", "SELECT 1 AS n FROM range(1)")  # type: ignore[arg-type]
    assert small.parsed_on == [3, 1]
    assert small.real.execute("SELECT n, current_setting('threads') FROM parsed").fetchone() == (1, 3)
