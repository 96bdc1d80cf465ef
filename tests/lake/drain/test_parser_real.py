"""The real frames, through a real Redis and a drain, against columns worked out from the JSON in plain Python."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.drain.drainer import drain
from tests.conftest import TID_ALPHABET
from tests.lake.feed import feed, rows

TABLES = {
    "app.bsky.feed.post": "posts",
    "app.bsky.feed.like": "likes",
    "app.bsky.feed.repost": "reposts",
    "app.bsky.graph.follow": "follows",
    "app.bsky.graph.block": "blocks",
}


def moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def base(frame: dict[str, Any]) -> dict[str, Any]:
    rev = 0
    for character in frame["commit"]["rev"]:
        rev = rev * 32 + TID_ALPHABET.index(character)
    return {
        "did": frame["did"],
        "rkey": frame["commit"]["rkey"],
        "rev": rev,
        "event_at": moment(frame["time_us"]),
    }


def record_row(frame: dict[str, Any]) -> dict[str, Any]:
    record = frame["commit"]["record"]
    row = base(frame) | {"created_at": datetime.fromisoformat(record["createdAt"]), "operation": "create"}
    subject = record.get("subject")
    if isinstance(subject, str):
        return row | {"subject_did": subject}
    if isinstance(subject, dict):
        _, _, did, collection, rkey = subject["uri"].split("/")
        row |= {"subject_did": did, "subject_collection": collection, "subject_rkey": rkey}
        via = record.get("via", {}).get("uri", "////").split("/")
        return row | {"via_did": via[2] or None, "via_rkey": via[4] or None}
    return row | post_columns(record, frame["commit"]["cid"])


def post_columns(record: dict[str, Any], cid: str) -> dict[str, Any]:
    features = [feature for facet in record.get("facets", []) for feature in facet["features"]]
    embed = record.get("embed", {})
    reply = record.get("reply", {})
    parent = reply.get("parent", {}).get("uri", "////").split("/")
    root = reply.get("root", {}).get("uri", "////").split("/")
    links = [feature["uri"] for feature in features if feature["$type"].endswith("#link")]
    if "external" in embed:
        links.append(embed["external"]["uri"])
    kinds = {
        "app.bsky.embed.images": "images",
        "app.bsky.embed.video": "video",
        "app.bsky.embed.external": "external",
        "app.bsky.embed.record": "record",
        "app.bsky.embed.recordWithMedia": "record_with_media",
        None: "none",
    }
    return {
        "cid": cid,
        "text": record["text"],
        "langs": record.get("langs", []),
        "hashtags": [feature["tag"] for feature in features if feature["$type"].endswith("#tag")],
        "mentions": [feature["did"] for feature in features if feature["$type"].endswith("#mention")],
        "links": list(dict.fromkeys(links)),
        "domains": list(dict.fromkeys(link.split("/")[2].lower() for link in links)),
        "reply_parent_did": parent[2] or None,
        "reply_parent_rkey": parent[4] or None,
        "reply_root_did": root[2] or None,
        "reply_root_rkey": root[4] or None,
        "embed": kinds[embed.get("$type")],
        "media_count": len(embed.get("images", [])) + ("video" in embed),
    }


@pytest.mark.parametrize("collection", list(TABLES))
def test_every_record_is_in_its_table_once_with_the_right_columns(
    collection: str, buffer: Buffer, settings: Settings, real_frames: list[bytes]
) -> None:
    feed(buffer, real_frames)
    drain(settings)

    decoded = [json.loads(frame) for frame in real_frames]
    expected = [
        record_row(frame)
        for frame in decoded
        if frame["commit"]["collection"] == collection and frame["commit"]["operation"] == "create"
    ]
    names = ", ".join(f'"{name}"' for name in expected[0])
    stored = rows(settings, f"SELECT {names} FROM {TABLES[collection]}_all")

    def by_key(row: dict[str, Any]) -> tuple[str, str]:
        return row["did"], row["rkey"]

    assert sorted(stored, key=by_key) == sorted(expected, key=by_key)


def test_every_delete_is_in_its_table_once(buffer: Buffer, settings: Settings, real_frames: list[bytes]) -> None:
    feed(buffer, real_frames)
    drain(settings)

    decoded = [json.loads(frame) for frame in real_frames]
    expected = [
        base(frame) | {"collection": frame["commit"]["collection"]}
        for frame in decoded
        if frame["commit"]["operation"] == "delete"
    ]
    assert len(expected) == 3
    stored = rows(settings, "SELECT did, rkey, rev, event_at, collection FROM deletes_all ORDER BY rkey")
    assert stored == sorted(expected, key=lambda row: row["rkey"])


def test_what_has_no_table_is_kept_as_it_came(buffer: Buffer, settings: Settings, real_frames: list[bytes]) -> None:
    feed(buffer, real_frames)
    drain(settings)

    (foreign,) = [frame for frame in real_frames if b"fm.teal" in frame]
    stored = rows(settings, "SELECT reason, raw FROM rejects_all")
    assert stored == [{"reason": "unknown_collection", "raw": foreign}]
