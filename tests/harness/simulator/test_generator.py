"""The generated traffic: the mix, the order, and what one event says of another."""

import itertools
import re
from collections import Counter, defaultdict
from typing import Any

from harness.simulator.generator import generate_events, generate_frames
from tests.support.simulator import START_US, Generated, read_cid, read_tid

CREATES = {
    "app.bsky.feed.like": 0.68,
    "app.bsky.feed.post": 0.11,
    "app.bsky.feed.repost": 0.08,
    "app.bsky.graph.follow": 0.10,
    "app.bsky.graph.block": 0.03,
}


def commits(generated: Generated) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(frame, frame["commit"]) for frame in generated.frames if frame["kind"] == "commit"]


def test_the_same_seed_gives_the_same_frames_and_another_seed_others() -> None:
    first = list(generate_frames(3000, 5, START_US, 967.0, accounts=300))
    assert first == list(generate_frames(3000, 5, START_US, 967.0, accounts=300))
    assert not set(first) & set(generate_frames(3000, 6, START_US, 967.0, accounts=300))


def test_the_mix(generated: Generated) -> None:
    created = Counter(commit["collection"] for _, commit in commits(generated) if commit["operation"] == "create")
    total = sum(created[collection] for collection in CREATES)
    for collection, share in CREATES.items():
        assert abs(created[collection] / total - share) < 0.007, collection
    operations = Counter(commit["operation"] for _, commit in commits(generated))
    kinds = Counter(frame["kind"] for frame in generated.frames)
    everything = len(generated.frames)
    assert abs(operations["delete"] / everything - 0.06) < 0.004
    assert 0.0005 < kinds["identity"] / everything < 0.005
    assert 0.0005 < kinds["account"] / everything < 0.005
    updated = Counter(commit["collection"] for _, commit in commits(generated) if commit["operation"] == "update")
    assert set(updated) == {"app.bsky.feed.post", "app.bsky.actor.profile"}
    assert 0 < created["app.bsky.actor.profile"] < 0.01 * everything


def test_deletes_are_mostly_of_likes_and_follows(generated: Generated) -> None:
    deleted = Counter(commit["collection"] for _, commit in commits(generated) if commit["operation"] == "delete")
    total = sum(deleted.values())
    assert deleted["app.bsky.feed.like"] + deleted["app.bsky.graph.follow"] > 0.65 * total
    assert deleted["app.bsky.feed.post"] > 0.1 * total
    assert set(deleted) == {*CREATES, "app.bsky.actor.profile"}


def test_the_mean_frame_is_as_large_as_in_production(generated: Generated) -> None:
    assert 490 < sum(len(event.frame) for event in generated.events) / len(generated.events) < 520


def test_keys_revs_and_cids_are_valid(generated: Generated) -> None:
    for frame, commit in commits(generated):
        assert re.fullmatch(r"did:plc:[a-z2-7]{24}", frame["did"])
        assert -5_000_000 < (read_tid(commit["rev"]) >> 10) - frame["time_us"] < 0
        if commit["collection"] == "app.bsky.actor.profile":
            assert commit["rkey"] == "self"
        else:
            assert read_tid(commit["rkey"]) >> 10 <= read_tid(commit["rev"]) >> 10
        if commit["operation"] == "delete":
            assert list(commit) == ["rev", "operation", "collection", "rkey"]
        else:
            assert read_cid(commit["cid"])[:4] == bytes.fromhex("01711220")
            assert commit["record"]["$type"] == commit["collection"]


def test_times_and_revs_increase_in_every_repository(generated: Generated) -> None:
    last_times: dict[str, int] = defaultdict(int)
    last_revs: dict[str, str] = defaultdict(str)
    for frame in generated.frames:
        assert frame["time_us"] > last_times[frame["did"]]
        last_times[frame["did"]] = frame["time_us"]
        if frame["kind"] == "commit":
            assert frame["commit"]["rev"] > last_revs[frame["did"]]
            last_revs[frame["did"]] = frame["commit"]["rev"]
    assert max(Counter(frame["did"] for frame in generated.frames).values()) > 20


def test_neighbours_are_out_of_order_by_a_few_milliseconds(generated: Generated) -> None:
    times = [event.time_us for event in generated.events]
    steps_back = [before - after for before, after in itertools.pairwise(times) if after < before]
    assert len(steps_back) > 1000
    assert max(steps_back) < 10_000
    assert abs((times[-1] - times[0]) / 1e6 - 50_000 / 967) < 5


def test_created_at_has_milliseconds_on_both_sides_of_the_event(generated: Generated) -> None:
    created = [
        truth["created_at"]
        for truth in generated.truths
        if truth["table"] == "likes" and truth["operation"] == "create"
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text) for text in created)
    seen = [truth["time_us"] for truth in generated.truths if truth["table"] == "likes"]
    from_start = [int(text[17:19]) * 1000 + int(text[20:23]) for text in created]
    milliseconds = [(time_us // 1000) % 60_000 for time_us in seen]
    ahead = [(claimed - at + 30_000) % 60_000 - 30_000 for claimed, at in zip(from_start, milliseconds, strict=True)]
    assert min(ahead) < -500
    assert max(ahead) > 500
    assert all(-5000 < difference < 5000 for difference in ahead)


def test_records_exist_before_they_are_deleted_or_updated(generated: Generated) -> None:
    alive: set[tuple[str, str, str]] = set()
    deletes = 0
    for frame, commit in commits(generated):
        record = (frame["did"], commit["collection"], commit["rkey"])
        if commit["operation"] == "create":
            assert record not in alive
            alive.add(record)
        elif commit["operation"] == "update":
            assert record in alive
        else:
            alive.remove(record)
            deletes += 1
    assert deletes > 2500


def test_an_update_of_a_post_keeps_its_creation_and_changes_its_cid(generated: Generated) -> None:
    posts: dict[tuple[str, str], dict[str, Any]] = {}
    updates = 0
    for truth in generated.truths:
        if truth["table"] != "posts":
            continue
        key = (truth["did"], truth["rkey"])
        if truth["operation"] == "update":
            updates += 1
            assert truth["created_at"] == posts[key]["created_at"]
            assert truth["reply_root_rkey"] == posts[key]["reply_root_rkey"]
            assert truth["cid"] != posts[key]["cid"]
            assert truth["rev_int"] > posts[key]["rev_int"]
        posts[key] = truth
    assert updates > 10


def test_accounts_that_are_away_do_nothing_until_they_are_back(generated: Generated) -> None:
    away: dict[str, str] = {}
    statuses: Counter[str] = Counter()
    returned = 0
    for frame in generated.frames:
        if frame["kind"] == "account":
            assert frame["account"]["active"] == ("status" not in frame["account"])
            assert frame["account"]["did"] == frame["did"]
            assert away.get(frame["did"]) != "deleted"
            if frame["account"]["active"]:
                returned += away.pop(frame["did"], None) is not None
            else:
                away[frame["did"]] = frame["account"]["status"]
                statuses[frame["account"]["status"]] += 1
        elif frame["kind"] == "commit":
            assert frame["did"] not in away
    assert set(statuses) == {"deactivated", "takendown", "suspended", "deleted"}
    assert returned > 3


def test_relay_numbers_increase(generated: Generated) -> None:
    numbers = [truth["seq"] for truth in generated.truths if truth["table"] == "accounts"]
    assert numbers == sorted(set(numbers))


def test_some_posts_are_much_more_popular_than_others(generated: Generated) -> None:
    likes = Counter(truth["subject_rkey"] for truth in generated.truths if truth["table"] == "likes")
    top = sum(count for _, count in likes.most_common(len(likes) // 100))
    assert top > 0.1 * sum(likes.values())
    assert len(likes) > 2000


def test_words_follow_zipf_in_both_scripts(generated: Generated) -> None:
    texts = [truth["text"] for truth in generated.truths if truth["table"] == "posts"]
    words = Counter(word.strip(".,!?").lower() for text in texts for word in text.split())
    ranked = [count for _, count in words.most_common()]
    assert ranked[0] > 8 * ranked[49] > 0
    assert sum(1 for count in ranked if count == 1) > 0.3 * len(ranked)
    japanese = [text for text in texts if re.search(r"[\u3040-\u30ff]", text)]
    assert 0.2 < len(japanese) / len(texts) < 0.35
    assert any("です" in text for text in japanese)
    assert "the" in words
    assert "není" in words
    assert "você" in words


def test_replies_name_the_root_of_their_thread(generated: Generated) -> None:
    roots: dict[str, str] = {}
    deep = 0
    for truth in generated.truths:
        if truth["table"] != "posts" or truth["operation"] != "create":
            continue
        parent, root = truth["reply_parent_rkey"], truth["reply_root_rkey"]
        assert (parent is None) == (root is None)
        if parent is not None:
            assert root == roots.get(parent, parent)
            deep += root != parent
            roots[truth["rkey"]] = root
    assert deep > 100


def test_counting_less_gives_a_prefix() -> None:
    longer = [event.frame for event in generate_events(500, 5, START_US, 20.0, accounts=50)]
    assert list(generate_frames(200, 5, START_US, 20.0, accounts=50)) == longer[:200]
