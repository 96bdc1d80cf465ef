"""Odd events: imported times, skewed clocks, doubled creates, resyncs, resets on v1, events that a host tells again."""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.oracle.truth import read_truth
from harness.simulator.activity import Schedule
from harness.simulator.events import Event
from harness.simulator.generator import Generator
from harness.simulator.options import SimulatorOptions
from harness.simulator.server import now_us
from tests.support.simulator import START_US, control, listen, receive, running, subscribe, take

HOUR_US = 3_600_000_000
YEAR_2022_US = 1_640_995_200_000_000


def make(count: int, *, seed: int = 3, **shares: float) -> list[Event]:
    generator = Generator(seed, Schedule(START_US, START_US, 0.0, 200.0), 500, **shares)
    return [generator.next_event() for _ in range(count)]


def test_imported_times_are_those_of_creates_and_change_nothing_else() -> None:
    plain, imported = make(20_000), make(20_000, imported_times=0.01)
    odd = [(was, now) for was, now in zip(plain, imported, strict=True) if was != now]
    assert len(odd) > 300
    for was, now in odd:
        before, after, truth = json.loads(was.frame), json.loads(now.frame), json.loads(now.truth)
        assert after["commit"]["operation"] == "create"
        assert 189_000_000_000_000 < after["time_us"] < YEAR_2022_US
        assert after | {"time_us": before["time_us"]} == before
        assert (truth["time_us"], truth.pop("witnessed_us")) == (after["time_us"], before["time_us"])
        assert truth | {"time_us": before["time_us"]} == json.loads(was.truth)
        # By this the host knows when it has seen it.
        assert now.time_us == was.time_us
    deleted: set[str] = set()
    for _, event in zip(plain, imported, strict=True):
        frame = json.loads(event.frame)
        if frame["kind"] == "account" and frame["account"].get("status") == "deleted":
            deleted.add(event.did)
        assert frame["time_us"] > YEAR_2022_US or event.did not in deleted


def test_skewed_clocks_claim_wrong_times_in_the_right_order() -> None:
    plain, skewed = make(40_000), make(40_000, skewed_clocks=0.5)
    seq, wrong, right, years = 0, 0, 0, 0
    for was, now in zip(plain, skewed, strict=True):
        frame = json.loads(now.frame)
        if frame["kind"] == "commit":
            assert was == now
            continue
        body, truth = frame[frame["kind"]], json.loads(now.truth)
        assert body["time"] == truth["created_at"]
        assert body["seq"] > seq
        seq = body["seq"]
        claimed = datetime.fromisoformat(body["time"]) - datetime(1970, 1, 1, tzinfo=UTC)
        off_us = abs(claimed // timedelta(microseconds=1) - frame["time_us"])
        wrong, right, years = (
            wrong + (off_us > HOUR_US / 2),
            right + (off_us < 10**6),
            years + (off_us > 8000 * HOUR_US),
        )
        assert body | {"time": ""} == json.loads(was.frame)[frame["kind"]] | {"time": ""}
    assert min(wrong, right) > 40
    assert 20 < years < wrong


def test_doubled_creates_have_two_revs_and_no_delete() -> None:
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for event in make(20_000, doubled_creates=0.01):
        frame = json.loads(event.frame)
        if frame["kind"] == "commit":
            commit = frame["commit"]
            found[event.did, commit["collection"], commit["rkey"]].append(commit)
    doubled = [each for each in found.values() if [commit["operation"] for commit in each[:2]] == ["create", "create"]]
    assert len(doubled) > 100
    assert all(first["rev"] < second["rev"] for first, second, *_ in doubled)
    same = sum(first["cid"] == second["cid"] for first, second, *_ in doubled)
    assert 20 < same < len(doubled) - 20


def test_a_resync_tells_old_records_again_with_the_rev_of_the_head() -> None:
    events = make(20_000, resyncs=0.004)
    truths = [json.loads(event.truth) for event in events]
    heads = {(truth["did"], truth["rev"]): place for place, truth in enumerate(truths) if truth["kind"] == "sync"}
    assert len(heads) > 50
    again: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for truth in truths:
        if truth["kind"] == "commit" and (truth["did"], truth["rev"]) in heads:
            again[truth["did"], truth["rev"]].append(truth)
    whole = [records for records in again.values() if len(records) == 4]
    assert len(whole) > 40
    for records in whole:
        head_us = truths[heads[records[0]["did"], records[0]["rev"]]]["time_us"]
        assert all(record["operation"] == "create" and record["time_us"] > head_us for record in records)
        for record in records:
            old = next(t for t in truths if t.get("rkey") == record["rkey"] and t["did"] == record["did"])
            assert (old["operation"], old["rev"] < record["rev"]) == ("create", True)


@pytest.mark.parametrize("serves", [False, True], ids=["off", "on"])
@pytest.mark.anyio
async def test_v1_serves_resets_if_it_is_told_to(serves: bool) -> None:
    options = SimulatorOptions(
        port=0, history=timedelta(seconds=20), history_rate=100.0, rate=0.0, accounts=300, epoch_us=now_us(),
        sync_share=0.01, v1_sync=serves,
    )  # fmt: skip
    async with running(options, until_live=True) as port:
        async with listen(port, "cursor=1") as connection:
            kinds = [message["payload"]["$type"].partition("#")[2] for message in await receive(connection, 1500)]
        resets = kinds.count("sync")
        assert resets > 5
        async with subscribe(port, "cursor=1") as connection:
            frames = [json.loads(frame) for frame in await take(connection, 1500 - (0 if serves else resets))]
    syncs = [frame for frame in frames if frame["kind"] == "sync"]
    assert len(syncs) == (resets if serves else 0)
    assert all(frame["sync"]["rev"] and frame["sync"]["did"] == frame["did"] for frame in syncs)


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.anyio
async def test_a_host_tells_again_what_happened_with_new_times(wire: str, tmp_path: Path) -> None:
    options = SimulatorOptions(
        port=0, history=timedelta(seconds=20), history_rate=100.0, rate=0.0, accounts=300, epoch_us=now_us(),
        clock_offsets=(2.5,), faults=True, ledger=tmp_path / "ledger", imported_times=0.02,
    )  # fmt: skip
    async with running(options, until_live=True) as port:
        count = (await control(port, "state"))["events"]
        open_ = subscribe(port, "cursor=1") if wire == "v1" else listen(port, "cursor=1")
        async with open_ as connection:
            first = await take(connection, count)
            told = (await control(port, "again?seconds=10"))["events"]
            again = await take(connection, told)
    assert 500 < told < count
    was, now = read(first[-told:], wire), read(again, wire)
    assert [each["rev"] for each in now] == [each["rev"] for each in was]
    moved = [(before, after) for before, after in zip(was, now, strict=True) if before["at"] != after["at"]]
    assert len(moved) > 0.7 * told
    assert all(after["at"] > before["at"] for before, after in moved)
    assert all(
        before["at"] < YEAR_2022_US for before, after in zip(was, now, strict=True) if before["at"] == after["at"]
    )
    (span,) = read_truth(tmp_path / "ledger").again
    for before, after in moved:
        assert span.tells(before["at"] - 2_500_000, after["at"] - 2_500_000)


def read(frames: list[bytes], wire: str) -> list[dict[str, Any]]:
    """The rev and the time of each frame, microseconds since 1970."""
    found = []
    for frame in map(json.loads, frames):
        body = frame if wire == "v1" else frame["payload"]
        commit = body.get("commit", {}) if wire == "v1" else body
        at = body["time_us"] if wire == "v1" else _us(body["time"])
        found.append({"rev": commit.get("rev"), "at": at})
    return found


def _us(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
