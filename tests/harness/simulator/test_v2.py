"""Jetstream v2's wire, with a real client, against frames made apart from it from v1's."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from websockets.exceptions import ConnectionClosed, InvalidStatus, NegotiationError

from harness.simulator.options import SimulatorOptions
from harness.simulator.server import now_us
from tests.support.paths import REAL_FRAMES
from tests.support.simulator import NSID, START_US, control, listen, receive, running, running_hosts, subscribe, take

EVENTS = 3000
FIRST_SEQ = 100_000


def make_options(**changes: object) -> SimulatorOptions:
    given = {"port": 0, "history": timedelta(seconds=60), "history_rate": 100.0, "rate": 0.0, "accounts": 300}
    return SimulatorOptions(**{**given, "epoch_us": START_US, **changes})  # type: ignore[arg-type]


def expected(frame: bytes, seq: int, offset_us: int = 0) -> dict[str, Any]:
    """The v2 form of a v1 frame."""
    v1 = json.loads(frame)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=v1["time_us"] + offset_us)
    payload = {
        "$type": f"{NSID}#{v1['kind']}",
        "seq": seq,
        "did": v1["did"],
        "time": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        **(v1["commit"] if v1["kind"] == "commit" else {v1["kind"]: v1[v1["kind"]]}),
    }
    return {"$type": "message", "payload": payload}


@asynccontextmanager
async def both_wires(**changes: object) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port, and the v1 frames that it serves."""
    async with running(make_options(**changes), until_live=True) as port:
        async with subscribe(port, "cursor=0") as connection:
            frames = await take(connection, EVENTS)
        yield port, frames


async def refusal(port: int, query: str) -> dict[str, Any]:
    with pytest.raises(InvalidStatus) as refused:
        await listen(port, query)
    assert refused.value.response.status_code == 400
    answer: dict[str, Any] = json.loads(refused.value.response.body)
    assert answer["message"]
    return answer


def get_dictionary(port: int, query: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/xrpc/network.bsky.jetstream.getZstdDictionary{query}")
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


@pytest.mark.anyio
async def test_envelopes_hold_what_v1_serves() -> None:
    async with both_wires() as (port, frames), listen(port, f"cursor={FIRST_SEQ}") as connection:
        assert connection.subprotocol == "xrpc.v1.json"
        wanted = [expected(frame, FIRST_SEQ + number) for number, frame in enumerate(frames)]
        got = await take(connection, EVENTS)
        assert [json.loads(frame) for frame in got] == wanted
        kinds = {message["payload"]["$type"].rsplit("#")[1] for message in wanted}
        assert kinds == {"commit", "identity", "account"}
        # The record is the same, byte for byte.
        place, v1 = next((n, frame) for n, frame in enumerate(frames) if b"feed.post" in frame)
        record = v1[v1.index(b'"record":') : v1.rindex(b',"cid"')]
        assert record in got[place]


@pytest.mark.anyio
async def test_a_client_that_offers_no_subprotocol_gets_the_same_framing() -> None:
    async with both_wires() as (port, frames), listen(port, "cursor=0", offered=False) as connection:
        assert connection.subprotocol is None
        assert await receive(connection, 1) == [expected(frames[0], FIRST_SEQ)]


@pytest.mark.anyio
async def test_hosts_number_and_time_the_same_events_their_own_way() -> None:
    options = make_options(hosts=2, clock_offsets=(0.0, -2.5))
    async with (
        running_hosts(options, until_live=True) as (right, other),
        subscribe(right, "cursor=0") as plain,
        listen(other, "cursor=0") as connection,
    ):
        frames = await take(plain, 500)
        got = await receive(connection, 500)
        seq = got[0]["payload"]["seq"]
        assert seq != FIRST_SEQ
        assert got == [expected(frame, seq + number, -2_500_000) for number, frame in enumerate(frames)]


@pytest.mark.anyio
async def test_cursors_are_inclusive_and_times_from_10_to_the_15_on() -> None:
    async with both_wires() as (port, frames):
        wanted = [expected(frame, FIRST_SEQ + number) for number, frame in enumerate(frames)]
        async with listen(port, f"cursor={FIRST_SEQ + 1700}") as connection:
            assert await receive(connection, 600) == wanted[1700:2300]
        times = [json.loads(frame)["time_us"] for frame in frames]
        cursor = max(times[:1000])
        first = next(number for number, time_us in enumerate(times) if time_us >= cursor)
        async with listen(port, f"cursor={cursor}") as connection:
            # Everything from the first one on, neighbours with an earlier time too.
            assert await receive(connection, 1000) == wanted[first : first + 1000]


@pytest.mark.anyio
@pytest.mark.parametrize("query", ["", f"cursor={FIRST_SEQ + 900_000}", "cursor=9000000000000000"])
async def test_without_a_cursor_or_with_one_in_the_future_only_live_events_come(query: str) -> None:
    options = make_options(history_rate=200.0, rate=200.0, epoch_us=now_us())
    async with running(options, until_live=True) as port, listen(port, query) as connection:
        (first, *_, last) = await receive(connection, 20)
        assert last["payload"]["seq"] == first["payload"]["seq"] + 19
        assert first["payload"]["seq"] > FIRST_SEQ + 5000


@pytest.mark.anyio
@pytest.mark.parametrize("query", ["cursor=0", "cursor=1000000000000000", f"cursor={FIRST_SEQ + 4000}"])
async def test_a_history_that_is_still_being_made_is_served_from_the_cursor_on(query: str) -> None:
    async with running(make_options(history_rate=500.0)) as port, listen(port, query) as connection:
        seqs = [message["payload"]["seq"] for message in await receive(connection, 20_000)]
        begin = FIRST_SEQ + (4000 if query.endswith("4000") else 0)
        assert seqs == list(range(begin, begin + 20_000))


@pytest.mark.anyio
async def test_filters_are_anded() -> None:
    async with both_wires() as (port, frames):
        wanted = [expected(frame, FIRST_SEQ + number)["payload"] for number, frame in enumerate(frames)]
        dids = [payload["did"] for payload in wanted]
        busiest = max(set(dids), key=dids.count)
        queries: dict[str, Callable[[dict[str, Any]], bool]] = {
            "kinds=commit": lambda p: "rev" in p,
            "kinds=identity": lambda p: "identity" in p,
            "kinds=account&kinds=commit": lambda p: "identity" not in p,
            # Events that are no commits are not affected by collections.
            "collections=app.bsky.graph.*": lambda p: p.get("collection", "app.bsky.graph.x")[9:14] == "graph",
            "kinds=commit&collections=app.bsky.feed.post": lambda p: p.get("collection") == "app.bsky.feed.post",
            f"dids={busiest}": lambda p: p["did"] == busiest,
            f"dids={busiest}&collections=app.bsky.feed.like&kinds=commit": lambda p: (
                p["did"] == busiest and p.get("collection") == "app.bsky.feed.like"
            ),
        }
        for query, wants in queries.items():
            chosen = [payload for payload in wanted if wants(payload)]
            assert len(chosen) > 3, query
            async with listen(port, f"cursor=0&{query}") as connection:
                got = [message["payload"] for message in await receive(connection, len(chosen))]
                assert got == chosen, query


@pytest.mark.anyio
async def test_larger_frames_than_wanted_are_left_out() -> None:
    async with both_wires() as (port, _):
        async with listen(port, "cursor=0") as connection:
            frames = await take(connection, EVENTS)
        most = sorted(len(frame) for frame in frames)[EVENTS // 2]
        chosen = [frame for frame in frames if len(frame) <= most]
        async with listen(port, f"cursor=0&maxMessageSizeBytes={most}") as connection:
            assert await take(connection, len(chosen)) == chosen


@pytest.mark.anyio
async def test_what_is_older_than_the_retention() -> None:
    options = make_options(retention=timedelta(seconds=20), hosts=2, clock_offsets=(0.0, 5.0))
    async with running_hosts(options, lambda: START_US, until_live=True) as (right, other):
        answer = await refusal(right, f"cursor={FIRST_SEQ + 10}")
        assert answer["error"] == "CursorTooOld"
        floor = int(answer["message"].split()[-1])
        for port, offset_us in ((right, 0), (other, 5_000_000)):
            async with listen(port, f"cursor={START_US + offset_us - 40_000_000}") as connection:
                info, first = await receive(connection, 2)
            assert info["$type"] == "message"
            assert info["payload"]["$type"] == f"{NSID}#info"
            assert info["payload"]["name"] == "OutdatedCursor"
            assert str(first["payload"]["seq"]) in info["payload"]["message"]
            assert port == other or first["payload"]["seq"] == floor
        async with listen(right, f"cursor={floor}") as connection:
            assert (await receive(connection, 1))[0]["payload"]["seq"] == floor
        async with listen(right, f"cursor={START_US - 10_000_000}") as connection:
            assert "seq" in (await receive(connection, 1))[0]["payload"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("kinds=commits", "kinds=commits"),
        ("kinds=", "kinds="),
        ("kinds=identity&collections=app.bsky.feed.post", "excludes commit"),
        ("collections=post", "collections=post"),
        ("dids=alice", "dids=alice"),
        ("cursor=-1", "cursor=-1"),
        ("cursor=", "cursor="),
        ("cursor=now", "cursor=now"),
        ("maxMessageSizeBytes=4294967296", "maxMessageSizeBytes=4294967296"),
        ("zstdDictionary=0", "zstdDictionary=0"),
    ],
)
async def test_what_is_wrong_is_refused_before_the_upgrade(query: str, said: str) -> None:
    async with running(make_options(history=timedelta(0))) as port:
        answer = await refusal(port, query)
    assert answer["error"] == "InvalidRequest"
    assert said in answer["message"]


@pytest.mark.anyio
async def test_frames_are_compressed_with_the_dictionary_on_both_wires() -> None:
    async with both_wires() as (port, frames):
        status, content = await asyncio.to_thread(get_dictionary, port)
        assert status == 200
        dictionary = zstandard.ZstdCompressionDict(content)
        identity = dictionary.dict_id()
        assert await asyncio.to_thread(get_dictionary, port, f"?id={identity}") == (200, content)
        decompress = zstandard.ZstdDecompressor(dict_data=dictionary).decompress
        async with listen(port, "cursor=0") as plain, listen(port, f"cursor=0&zstdDictionary={identity}") as packed:
            text = await take(plain, EVENTS)
            async with asyncio.timeout(60):
                binary = [await packed.recv() for _ in range(EVENTS)]
            assert all(isinstance(message, bytes) for message in binary)
            assert [decompress(message) for message in binary if isinstance(message, bytes)] == text
            assert sum(map(len, binary)) < 0.5 * sum(map(len, text))
        async with subscribe(port, "cursor=0&compress=true") as packed, asyncio.timeout(60):
            binary = [await packed.recv() for _ in range(EVENTS)]
            assert [decompress(message) for message in binary if isinstance(message, bytes)] == frames


@pytest.mark.anyio
async def test_an_unknown_dictionary_is_refused_with_the_current_one() -> None:
    async with running(make_options(history=timedelta(0))) as port:
        _, content = await asyncio.to_thread(get_dictionary, port)
        current = str(zstandard.ZstdCompressionDict(content).dict_id())
        answer = await refusal(port, "zstdDictionary=7")
        assert answer["error"] == "UnknownZstdDictionary"
        assert current in answer["message"]
        status, body = await asyncio.to_thread(get_dictionary, port, "?id=7")
        assert (status, json.loads(body)["error"]) == (404, "UnknownZstdDictionary")


@pytest.mark.anyio
async def test_a_retired_dictionary_is_replaced_by_another() -> None:
    options = make_options(faults=True, hosts=2)
    async with running_hosts(options, until_live=True) as (port, other):
        _, old = await asyncio.to_thread(get_dictionary, port)
        retired = zstandard.ZstdCompressionDict(old).dict_id()
        current = (await control(port, "retire"))["dictionary"]
        assert current != retired
        for host in (port, other):
            answer = await refusal(host, f"zstdDictionary={retired}")
            assert answer["error"] == "UnknownZstdDictionary"
            _, content = await asyncio.to_thread(get_dictionary, host)
            dictionary = zstandard.ZstdCompressionDict(content)
            assert dictionary.dict_id() == current
            async with listen(host, f"cursor=0&zstdDictionary={current}") as packed:
                message = await packed.recv(decode=False)
            assert json.loads(zstandard.ZstdDecompressor(dict_data=dictionary).decompress(message))["payload"]["seq"]


@pytest.mark.anyio
async def test_a_subprotocol_that_nobody_offered() -> None:
    async with running(make_options(faults=True), until_live=True) as port:
        await control(port, "subprotocol?name=nonsense&seconds=60")
        with pytest.raises(NegotiationError, match="nonsense"):
            await listen(port)
        await control(port, "subprotocol?name=nonsense&seconds=0")
        async with listen(port) as connection:
            assert connection.subprotocol == "xrpc.v1.json"


@pytest.mark.anyio
async def test_an_error_frame_is_the_last() -> None:
    options = make_options(faults=True, rate=200.0, epoch_us=now_us())
    async with running(options, until_live=True) as port, listen(port) as connection:
        await take(connection, 1)
        await control(port, "error?name=ConsumerTooSlow")
        got: list[dict[str, Any]] = []
        with suppress(ConnectionClosed):
            while True:
                got += await receive(connection, 1)
        assert [message["$type"] for message in got] == ["message"] * (len(got) - 1) + ["error"]
        assert got[-1]["error"] == "ConsumerTooSlow"


@pytest.mark.anyio
@pytest.mark.skipif(not REAL_FRAMES.exists(), reason=f"{REAL_FRAMES} is absent")
async def test_real_frames_and_bad_lines_of_a_file(tmp_path: Path) -> None:
    lines = REAL_FRAMES.read_bytes().splitlines()
    bad = [b"not json", b'{"did":"did:plc:a","time_us":-5,"kind":"commit","commit":{}}']
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"\n".join([*lines, *bad]) + b"\n")

    options = make_options(file=path, history=timedelta(0))
    async with running(options, until_live=True) as port, listen(port, "cursor=0") as connection:
        wanted = [expected(line, FIRST_SEQ + number) for number, line in enumerate(lines)]
        assert await receive(connection, len(lines)) == wanted
        assert await take(connection, 2) == bad
