"""The ledger's truth, against a reading of the frames that this test does in its own way."""

import json
import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.paths import REAL_FRAMES
from tests.support.simulator import Generated, read_tid

TABLES = {
    "app.bsky.feed.like": "likes",
    "app.bsky.feed.post": "posts",
    "app.bsky.feed.repost": "reposts",
    "app.bsky.graph.follow": "follows",
    "app.bsky.graph.block": "blocks",
    "app.bsky.actor.profile": "profiles",
}


def reference(name: str, uri: str | None) -> dict[str, str | None]:
    if uri is None:
        return {f"{name}_did": None, f"{name}_rkey": None}
    _, _, did, _, rkey = uri.split("/")
    return {f"{name}_did": did, f"{name}_rkey": rkey}


def unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def read(tag: str) -> str:
    """What readers see of `tag`, however a client wrote it."""
    return unicodedata.normalize("NFC", tag.replace("\u200b", "")).removeprefix("#")


def post_fields(record: dict[str, Any], cid: str) -> dict[str, Any]:
    features = [feature for facet in record.get("facets", []) for feature in facet["features"]]
    embed = record.get("embed", {})
    kind = embed.get("$type", "app.bsky.embed.none").rsplit(".", 1)[1]
    media = embed.get("media", embed)
    quoted = embed.get("record", {})
    stated = [feature["tag"] for feature in features if "tag" in feature] + record.get("tags", [])
    folded: dict[str, str] = {}
    for tag in stated or re.findall(r"(?:^|\s)[#＃](\w+)", record["text"]):
        folded.setdefault(read(tag).lower(), tag.removeprefix("#"))
    links = [feature["uri"] for feature in features if feature["$type"].endswith("#link")]
    links = unique([*links, *([media["external"]["uri"]] if "external" in media else [])])
    images = media.get("images", [])
    alts = [image["alt"] for image in images] + [media.get("alt", "")]
    reply = record.get("reply", {})
    return {
        "cid": cid,
        "text": record["text"],
        "langs": record.get("langs", []),
        "hashtags": list(folded.values()),
        "hashtag_keys": list(folded),
        "mentions": [feature["did"] for feature in features if feature["$type"].endswith("#mention")],
        "links": links,
        "domains": unique([urlsplit(link).hostname or "" for link in links]),
        **reference("reply_parent", reply.get("parent", {}).get("uri")),
        **reference("reply_root", reply.get("root", {}).get("uri")),
        **reference("quote", quoted.get("uri", quoted.get("record", {}).get("uri"))),
        "embed": {"recordWithMedia": "record_with_media"}.get(kind, kind),
        "media_count": len(images) + ("video" in media),
        "alt_texts": [alt for alt in alts if alt],
        "labels": [label["val"] for label in record.get("labels", {}).get("values", [])],
    }


def record_fields(collection: str, record: dict[str, Any], cid: str) -> dict[str, Any]:
    if collection == "app.bsky.feed.post":
        return post_fields(record, cid)
    if collection == "app.bsky.actor.profile":
        return {
            "cid": cid,
            "display_name": record["displayName"],
            "description": record["description"],
            "pinned_post_rkey": reference("p", record.get("pinnedPost", {}).get("uri"))["p_rkey"],
        }
    if isinstance(record["subject"], str):
        return {"subject_did": record["subject"]}
    uri = record["subject"]["uri"]
    return {
        **reference("subject", uri),
        "subject_collection": uri.split("/")[3],
        **reference("via", record.get("via", {}).get("uri")),
    }


def expected(frame: dict[str, Any]) -> dict[str, Any]:
    common = {"source": "generated", "time_us": frame["time_us"], "did": frame["did"], "kind": frame["kind"]}
    if frame["kind"] != "commit":
        body = frame[frame["kind"]]
        fields = {name: body.get(name) for name in ("handle", "active", "status", "seq")}
        return {**common, "table": "accounts", "created_at": body["time"], **fields}
    commit = frame["commit"]
    common |= {name: commit[name] for name in ("operation", "collection", "rkey", "rev")}
    common["rev_int"] = read_tid(commit["rev"])
    if commit["operation"] == "delete":
        return {**common, "table": "deletes"}
    fields = record_fields(commit["collection"], commit["record"], commit["cid"])
    created_at = commit["record"].get("createdAt")
    return {**common, "table": TABLES[commit["collection"]], "created_at": created_at, **fields}


def test_the_truth_of_every_event_is_what_its_frame_says(generated: Generated) -> None:
    for frame, truth in zip(generated.frames, generated.truths, strict=True):
        assert truth == expected(frame)


def test_posts_have_every_kind_of_content(generated: Generated) -> None:
    posts = [truth for truth in generated.truths if truth["table"] == "posts"]
    assert {post["embed"] for post in posts} == {"none", "images", "video", "external", "record", "record_with_media"}
    for column in ("langs", "hashtags", "mentions", "links", "alt_texts", "labels", "quote_did", "reply_root_did"):
        assert 0 < sum(1 for post in posts if post[column]) < len(posts), column
    records = [frame["commit"]["record"] for frame in generated.frames if b'"facets"' in json.dumps(frame).encode()]
    assert any("tags" in record for record in records)
    bare = [post for post in posts if post["hashtags"] and "＃" in post["text"]]
    assert bare
    tags = {tag for post in posts for tag in post["hashtags"]}
    assert any("\u200b" in tag for tag in tags)
    assert any(not unicodedata.is_normalized("NFC", tag) for tag in tags)
    text = "".join(post["text"] for post in posts)
    assert all(character in text for character in '"\\&<\n\t☕👩')


def test_likes_and_reposts_come_by_way_of_reposts_at_times(generated: Generated) -> None:
    for table in ("likes", "reposts"):
        rows = [truth for truth in generated.truths if truth["table"] == table]
        assert 0.05 < sum(1 for row in rows if row["via_did"]) / len(rows) < 0.4


def test_facets_stand_on_the_bytes_that_they_name(generated: Generated) -> None:
    checked = {"tag": 0, "did": 0, "uri": 0}
    for frame in generated.frames:
        record = frame.get("commit", {}).get("record", {})
        encoded = record.get("text", "").encode()
        for facet in record.get("facets", []):
            shown = encoded[facet["index"]["byteStart"] : facet["index"]["byteEnd"]].decode()
            (feature,) = facet["features"]
            if "tag" in feature:
                assert shown in (f"#{read(feature['tag'])}", f"＃{read(feature['tag'])}")
                checked["tag"] += 1
            elif "did" in feature:
                assert re.fullmatch(r"@[a-z0-9]+(\.[a-z]+)+", shown)
                checked["did"] += 1
            else:
                assert feature["uri"].startswith("https://" + shown.removesuffix("..."))
                checked["uri"] += 1
    assert min(checked.values()) > 100


def shape(value: Any) -> Any:
    return [(key, shape(inner)) for key, inner in value.items()] if isinstance(value, dict) else None


@pytest.mark.skipif(not REAL_FRAMES.exists(), reason=f"{REAL_FRAMES} is absent")
@pytest.mark.parametrize(
    "part", ["create app.bsky.feed.like", "create app.bsky.feed.repost", "create app.bsky.graph.follow", "delete"]
)
def test_frames_have_the_shape_and_key_order_of_production(generated: Generated, part: str) -> None:
    def shapes(frames: list[dict[str, Any]]) -> list[Any]:
        found = []
        for frame in frames:
            commit = frame.get("commit", {})
            if f"{commit.get('operation')} {commit.get('collection')}".startswith(part) and shape(frame) not in found:
                found.append(shape(frame))
        return sorted(found, key=str)

    real = [json.loads(line) for line in REAL_FRAMES.read_bytes().splitlines()]
    assert shapes(generated.frames) == shapes(real)


def test_records_have_their_keys_in_alphabetical_order(generated: Generated) -> None:
    for frame in generated.frames:
        record = frame.get("commit", {}).get("record", {})
        assert list(record) == sorted(record)
        for part in (record.get("embed", {}), record.get("embed", {}).get("external", {}), record.get("labels", {})):
            assert list(part) == sorted(part)


def test_frames_are_written_as_go_writes_json(generated: Generated) -> None:
    assert not any(re.search(rb"[<>&]", event.frame) for event in generated.events)
    assert any(b"\\u0026" in event.frame for event in generated.events)
