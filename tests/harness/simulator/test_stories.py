"""Stories: the hard cases and the resets, found again in the frames by a reading of the test's own."""

import hashlib
import json
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.simulator.activity import Schedule
from harness.simulator.events import Event
from harness.simulator.generator import Generator, generate_events
from harness.simulator.options import SimulatorOptions
from tests.support.simulator import START_US, ledger_lines, listen, read_tid, receive, running, subscribe, take

HOUR_US = 3_600_000_000


def make(count: int, *, seed: int = 3, **shares: float) -> list[Event]:
    generator = Generator(seed, Schedule(START_US, START_US, 0.0, 200.0), 500, **shares)
    return [generator.next_event() for _ in range(count)]


@pytest.fixture(scope="module")
def told() -> list[dict[str, Any]]:
    """Frames of 20,000 events with many hard cases, over 100 s."""
    return [json.loads(event.frame) for event in make(20_000, hard_cases=0.03)]


@pytest.fixture(scope="module")
def resets() -> list[Event]:
    """20,000 events with many resets, over 100 s."""
    return make(20_000, sync_share=0.004)


def histories(frames: list[dict[str, Any]]) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """The commits to each record, in order."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for frame in frames:
        if frame["kind"] == "commit":
            commit = frame["commit"]
            found[frame["did"], commit["collection"], commit["rkey"]].append(commit)
    return found


def test_without_stories_the_timeline_is_what_it_always_was() -> None:
    digest = hashlib.sha256()
    for event in generate_events(20_000, 5, START_US, 967.0, 1000):
        digest.update(event.frame + b"\n" + event.truth.encode() + b"\n")
    assert digest.hexdigest() == "cd795630f78239c2022da0225fd9a2fc58482812f94b578cb1f12b51db37f243"


def test_the_same_seed_tells_the_same_stories() -> None:
    shares: dict[str, Any] = {"hard_cases": 0.02, "sync_share": 0.005}
    assert make(3000, **shares) == make(3000, **shares)
    assert make(3000, **shares) != make(3000, seed=4, **shares)


def test_keys_are_used_again_after_a_delete(told: list[dict[str, Any]]) -> None:
    again = [
        commits
        for (_, collection, _), commits in histories(told).items()
        if collection != "app.bsky.actor.profile"
        and [commit["operation"] for commit in commits] == ["create", "delete", "create"]
    ]
    assert len(again) > 50
    assert len({commits[0]["collection"] for commits in again}) == 5
    same = [commits for commits in again if commits[0]["record"] == commits[2]["record"]]
    assert 10 < len(same) < len(again) - 10
    assert all((first["cid"] == last["cid"]) == (first["record"] == last["record"]) for first, _, last in again)


def test_edits_are_taken_back(told: list[dict[str, Any]]) -> None:
    back = [
        commits
        for (_, collection, _), commits in histories(told).items()
        if collection == "app.bsky.feed.post"
        and [commit["operation"] for commit in commits] == ["create", "update", "update"]
        and commits[0]["cid"] == commits[2]["cid"]
    ]
    assert len(back) > 50
    for first, other, last in back:
        assert first["record"] == last["record"]
        assert first["record"] != other["record"]
        assert first["rev"] < other["rev"] < last["rev"]


def test_accounts_go_for_every_reason_and_come_back(told: list[dict[str, Any]]) -> None:
    away: dict[str, str] = {}
    returned: Counter[str] = Counter()
    for frame in told:
        if frame["kind"] == "account":
            if frame["account"]["active"]:
                returned[away.pop(frame["did"], "")] += 1
            else:
                away[frame["did"]] = frame["account"]["status"]
        elif frame["kind"] == "commit":
            assert frame["did"] not in away
    assert all(returned[status] > 5 for status in ("deactivated", "suspended", "takendown", "deleted"))


def test_old_records_are_deleted_seen_and_unseen() -> None:
    # Two hours, since a record has to be there for one.
    generator = Generator(3, Schedule(START_US, START_US, 0.0, 1.5), 200, hard_cases=0.1)
    frames = [json.loads(generator.next_event().frame) for _ in range(11_000)]
    seen = unseen = 0
    for (_, collection, rkey), commits in histories(frames).items():
        if collection != "app.bsky.actor.profile" and commits[-1]["operation"] == "delete":
            age_us = (read_tid(commits[-1]["rev"]) >> 10) - (read_tid(rkey) >> 10)
            seen += age_us > HOUR_US and len(commits) > 1
            unseen += age_us > HOUR_US and len(commits) == 1
    assert seen > 20
    assert unseen > 20


def test_stories_keep_the_order_of_every_repository(told: list[dict[str, Any]]) -> None:
    times: dict[str, int] = defaultdict(int)
    revs: dict[str, str] = defaultdict(str)
    for frame in told:
        assert frame["time_us"] > times[frame["did"]]
        times[frame["did"]] = frame["time_us"]
        if frame["kind"] == "commit":
            assert frame["commit"]["rev"] > revs[frame["did"]]
            revs[frame["did"]] = frame["commit"]["rev"]


def test_a_reset_is_followed_by_part_of_what_there_was(resets: list[Event]) -> None:
    frames, truths = [json.loads(event.frame) for event in resets], [json.loads(event.truth) for event in resets]
    places = [place for place, frame in enumerate(frames) if frame["kind"] == "sync"]
    assert 50 < len(places) < 110
    complete = superseded = 0
    for place in places:
        did, sync, truth = frames[place]["did"], frames[place]["sync"], truths[place]
        rev = sync["rev"]
        assert truth == {
            "source": "generated",
            "table": "deletes",
            "time_us": frames[place]["time_us"],
            "did": did,
            "kind": "sync",
            "operation": "delete",
            "collection": "*",
            "rkey": "*",
            "rev": rev,
            "rev_int": read_tid(rev),
        }
        before: dict[tuple[str, str], dict[str, Any]] = {}
        for frame in frames[:place]:
            if frame["did"] == did and frame["kind"] == "commit":
                assert frame["commit"]["rev"] < rev
                before[frame["commit"]["collection"], frame["commit"]["rkey"]] = frame["commit"]
        again = [
            commit
            for frame in frames[place:]
            if frame["did"] == did
            and (commit := frame.get("commit"))
            and commit["operation"] == "create"
            and before.get((commit["collection"], commit["rkey"]), {}).get("cid") == commit["cid"]
        ]
        assert all(commit["rev"] >= rev for commit in again)
        complete += len(again) >= 3 and again[0]["rev"] == rev
        superseded += len(before) - len(again)
    assert complete > 40
    assert superseded > 2 * len(places)


def test_nothing_of_before_a_reset_is_deleted_or_updated_after_it(resets: list[Event]) -> None:
    made = [json.loads(event.frame) for event in resets]
    reset: dict[str, str] = {}
    served: set[tuple[str, str, str]] = set()
    checked = 0
    for frame in made:
        if frame["kind"] == "sync":
            reset[frame["did"]] = frame["sync"]["rev"]
            served = {record for record in served if record[0] != frame["did"]}
        elif frame["kind"] == "commit":
            commit = frame["commit"]
            record = (frame["did"], commit["collection"], commit["rkey"])
            if commit["operation"] == "create":
                served.add(record)
            elif frame["did"] in reset:
                assert record in served
                checked += 1
    assert checked > 20


@pytest.mark.anyio
async def test_resets_are_on_v2_only(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    options = SimulatorOptions(
        port=0,
        history=timedelta(seconds=60),
        history_rate=100.0,
        rate=0.0,
        accounts=300,
        epoch_us=START_US,
        ledger=ledger,
        sync_share=0.01,
    )

    async with running(options, until_live=True) as port:
        recorded = ledger_lines(ledger)
        syncs = [line for line in recorded if line["kind"] == "sync"]
        assert len(syncs) > 20
        for query in ("cursor=0", "cursor=0&wantedCollections=app.bsky.*"):
            async with subscribe(port, query) as connection:
                frames = [json.loads(frame) for frame in await take(connection, len(recorded) - len(syncs))]
                assert [frame["time_us"] for frame in frames] == [
                    line["time_us"] for line in recorded if line["kind"] != "sync"
                ]
        async with listen(port, "cursor=0&kinds=sync") as connection:
            got = [message["payload"] for message in await receive(connection, len(syncs))]
        assert {payload["$type"].rsplit("#")[1] for payload in got} == {"sync"}
        assert [payload["sync"]["rev"] for payload in got] == [line["rev"] for line in syncs]
        assert all(payload["sync"]["did"] == payload["did"] for payload in got)
        async with listen(port, "cursor=0&collections=app.bsky.feed.post") as connection:
            # No collection filters them out.
            wanted = [line for line in recorded if line.get("collection", "*") in ("app.bsky.feed.post", "*")]
            got = [message["payload"] for message in await receive(connection, len(wanted))]
            assert sum("sync" in payload for payload in got) == len(syncs)
