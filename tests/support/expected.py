"""The columns that a real frame becomes, worked out from its JSON in plain Python."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.frames import TID_ALPHABET

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
