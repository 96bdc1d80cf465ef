"""The server on a real socket, with a real client."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from harness.simulator.activity import Schedule
from harness.simulator.blocks import BLOCK_BYTES
from harness.simulator.errors import PortTakenError
from harness.simulator.events import Event
from harness.simulator.frontend import Frontend
from harness.simulator.generator import Generator
from harness.simulator.host import Host
from harness.simulator.options import SimulatorOptions
from harness.simulator.server import now_us, open_port
from harness.simulator.timeline import Timeline
from tests.support.paths import REAL_FRAMES
from tests.support.simulator import get, ledger_lines, running, subscribe, take

HISTORY = timedelta(seconds=40)
ACCOUNTS = 300


def make_options(**changes: object) -> SimulatorOptions:
    given = {"port": 0, "history": HISTORY, "history_rate": 100.0, "rate": 600.0, "seed": 5, "accounts": ACCOUNTS}
    return SimulatorOptions(**{**given, "epoch_us": now_us(), **changes})  # type: ignore[arg-type]


def expected_events(options: SimulatorOptions, count: int) -> list[Event]:
    """What a run with these options makes, worked out apart from it."""
    assert options.epoch_us is not None
    schedule = Schedule.until(options.epoch_us, options.history, options.history_rate, options.live_rate)
    generator = Generator(options.seed, schedule, options.accounts)
    return [generator.next_event() for _ in range(count)]


def frames(events: Iterable[Event]) -> list[bytes]:
    return [event.frame for event in events]


@pytest.mark.anyio
async def test_replay_then_live_without_a_gap_or_a_duplicate() -> None:
    options = make_options()
    expected = expected_events(options, 5500)
    middle = expected[2000].time_us

    async with running(options) as port, subscribe(port, "cursor=0") as early:
        beginning = asyncio.create_task(take(early, 5000))
        async with subscribe(port, f"cursor={middle}") as late:
            assert await take(late, 2700) == frames(event for event in expected if event.time_us >= middle)[:2700]
        assert await beginning == frames(expected[:5000])
        # Somebody who left and comes back while live.
        resumed = expected[4800].time_us
        async with subscribe(port, f"cursor={resumed}") as again:
            assert await take(again, 300) == frames(event for event in expected if event.time_us >= resumed)[:300]


@pytest.mark.anyio
@pytest.mark.parametrize("query", ["", "cursor=9000000000000000"])
async def test_without_a_cursor_or_with_one_in_the_future_only_live_events_come(query: str) -> None:
    options = make_options(rate=200.0)
    expected = frames(expected_events(options, 8000))

    async with running(options, until_live=True) as port, subscribe(port, query) as connection:
        got = await take(connection, 100)
    start = expected.index(got[0])
    assert expected[start : start + 100] == got
    assert options.epoch_us is not None
    assert msgspec.json.decode(got[0])["time_us"] > options.epoch_us - 10_000


@pytest.mark.anyio
async def test_wanted_collections_and_accounts() -> None:
    # In the quietest hour of the day a history has two thirds of its mean rate.
    options = make_options(rate=0.0, history=timedelta(seconds=120), history_rate=200.0)
    events = expected_events(options, 11_000)
    busiest = max((event.did for event in events), key=[event.did for event in events[:500]].count)
    queries: dict[str, Callable[[Event], bool]] = {
        "wantedCollections=app.bsky.graph.*&wantedCollections=app.bsky.feed.post": lambda event: (
            event.collection in ("app.bsky.graph.follow", "app.bsky.graph.block", "app.bsky.feed.post", "")
        ),
        f"wantedDids={busiest}": lambda event: event.did == busiest,
        f"wantedDids={busiest}&wantedDids=did:plc:nobody&wantedCollections=app.bsky.feed.like": lambda event: (
            event.did == busiest and event.collection in ("app.bsky.feed.like", "")
        ),
    }

    async with running(options, until_live=True) as port:
        for query, wanted in queries.items():
            expected = frames(event for event in events if wanted(event))
            assert len(expected) > 10
            async with subscribe(port, f"cursor=0&{query}") as connection:
                assert await take(connection, len(expected)) == expected
    assert {"identity", "account"} <= {msgspec.json.decode(e.frame)["kind"] for e in events if not e.collection}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/healthz", 200, '"status": "ok"'),
        ("/subscribe?cursor=tomorrow", 400, "cursor=tomorrow"),
        ("/subscribe?wantedCollections=post", 400, "wantedCollections=post"),
        ("/subscribe?wantedDids=alice", 400, "wantedDids=alice"),
        ("/subscribe?requireHello=true", 400, "requireHello=true"),
        ("/subscribe", 426, ""),
        ("/", 404, "use /subscribe"),
    ],
)
async def test_answers_to_plain_requests(path: str, status: int, said: str) -> None:
    async with running(make_options(rate=0.0, history=timedelta(0))) as port:
        got, body = await get(port, path)
    assert got == status
    assert said in body


@pytest.mark.anyio
async def test_a_wrong_subscription_is_refused_before_the_upgrade() -> None:
    async with running(make_options(rate=0.0, history=timedelta(0))) as port:
        with pytest.raises(InvalidStatus) as refusal:
            await subscribe(port, "cursor=tomorrow")
        assert refusal.value.response.status_code == 400


@pytest.mark.anyio
async def test_the_ledger_holds_what_a_subscriber_gets(tmp_path: Path) -> None:
    options = make_options(ledger=tmp_path / "ledger.jsonl")

    async with running(options) as port, subscribe(port, "cursor=0") as connection:
        got = []
        for part in (3000, 1500):
            got += await take(connection, part)
            assert len(ledger_lines(tmp_path / "ledger.jsonl")) >= len(got)
    events = [msgspec.json.decode(frame) for frame in got]
    recorded = ledger_lines(tmp_path / "ledger.jsonl")
    keys = ("time_us", "did", "kind")
    assert [[event[key] for key in keys] for event in events] == [
        [line[key] for key in keys] for line in recorded[: len(got)]
    ]
    revs = [event.get("commit", {}).get("rev") for event in events]
    assert revs == [line.get("rev") for line in recorded[: len(got)]]


@pytest.mark.anyio
@pytest.mark.skipif(not REAL_FRAMES.exists(), reason=f"{REAL_FRAMES} is absent")
async def test_real_frames_are_served_byte_for_byte() -> None:
    lines = REAL_FRAMES.read_bytes().splitlines()

    async with running(SimulatorOptions(port=0, file=REAL_FRAMES), until_live=True) as port:
        async with subscribe(port, "cursor=0") as connection:
            assert await take(connection, len(lines)) == lines
        times = [msgspec.json.decode(line)["time_us"] for line in lines]
        cursor = sorted(times)[50]
        async with subscribe(port, f"cursor={cursor}") as connection:
            late = [line for line, time_us in zip(lines, times, strict=True) if time_us >= cursor]
            assert await take(connection, len(late)) == late
        async with subscribe(port, "cursor=0&wantedCollections=fm.teal.*") as connection:
            (status,) = await take(connection, 1)
            assert b'"collection":"fm.teal.alpha.actor.status"' in status


@pytest.mark.anyio
async def test_a_file_is_served_with_its_bad_lines_and_then_live(tmp_path: Path) -> None:
    lines = [
        b'{"time_us":5,"did":"did:plc:a"}',
        b"not json",
        b"",
        b"\xff",
        b'{"time_us":7,"x":"' + b"y" * 70_000 + b'"}',
    ]
    path, ledger = tmp_path / "frames.jsonl", tmp_path / "ledger.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    options = SimulatorOptions(port=0, file=path, rate=200.0, ledger=ledger, accounts=ACCOUNTS, pregenerate=True)

    async with running(options) as port:
        async with subscribe(port, "cursor=1") as connection:
            assert await take(connection, len(lines)) == lines
            (first,) = await take(connection, 1)
            assert msgspec.json.decode(first)["time_us"] > 1_700_000_000_000_000
        async with subscribe(port, "cursor=6") as connection:
            assert (await take(connection, 1))[0] == lines[4]
    sources = [line["source"] for line in ledger_lines(ledger)]
    assert sources[:5] == ["file"] * 5
    assert set(sources[5:]) == {"generated"}


@pytest.mark.anyio
async def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} on 127.0.0.1 is taken; stop what listens there or"):
            async with running(make_options(port=port, history=timedelta(0))):
                pass


@pytest.mark.anyio
async def test_a_subscriber_that_does_not_read_holds_no_frames() -> None:
    events = [Event(b"%d" % n + b"x" * 500, n, "", "", "") for n in range(100_000)]

    timeline = Timeline(1 << 30)
    timeline.extend(events[:60_000])
    timeline.go_live()
    async with await open_port("127.0.0.1", 0, Frontend(Host(0, timeline, now_us))) as server:
        port = server.sockets[0].getsockname()[1]
        async with subscribe(port, "cursor=0") as stalled, subscribe(port, "cursor=0") as brisk:
            got = await take(brisk, 60_000)
            for start in range(60_000, 100_000, 2000):
                timeline.extend(events[start : start + 2000])
                got += await take(brisk, 2000)
            assert got == frames(events)
            waiting = [connection.transport.get_write_buffer_size() for connection in server.connections]
            assert len(waiting) == 2
            assert 0 < max(waiting) < 2 * BLOCK_BYTES
            assert await take(stalled, 100_000) == frames(events)
    timeline.close()
