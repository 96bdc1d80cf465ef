"""Faults on demand, seen by a real client."""

import asyncio
import json
import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from harness.simulator.garbage import garbage_frame
from harness.simulator.options import SimulatorOptions
from harness.simulator.server import now_us
from tests.support.simulator import START_US, control, get, ledger_lines, running, running_hosts, subscribe, take


def make_options(**changes: object) -> SimulatorOptions:
    given = {"port": 0, "history": timedelta(seconds=20), "history_rate": 100.0, "rate": 500.0, "accounts": 300}
    return SimulatorOptions(**{**given, "epoch_us": now_us(), "faults": True, **changes})  # type: ignore[arg-type]


def time_of(frame: bytes) -> int:
    found = re.search(rb'"time_us":(\d+)', frame)
    assert found is not None
    return int(found[1])


async def raw_subscriber(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A subscriber that sees the bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    writer.write(
        b"GET /subscribe HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def rest_after_frames(wire: bytes) -> bytes:
    """What comes after the last complete websocket frame."""
    position = 0
    while len(wire) - position >= 2:
        length, start = wire[position + 1], position + 2
        if length >= 126:
            start += 2 if length == 126 else 8
            length = int.from_bytes(wire[position + 2 : start])
        if start + length > len(wire):
            break
        position = start + length
    return wire[position:]


@pytest.mark.anyio
async def test_drop_mid_frame_cuts_the_connection_in_the_middle_of_a_frame() -> None:
    async with running(make_options(), until_live=True) as port:
        reader, writer = await raw_subscriber(port)
        assert (await control(port, "drop?mid_frame=1"))["connections"] == 1
        assert len(rest_after_frames(await reader.read())) > 100
        writer.close()
        async with subscribe(port, "cursor=0") as connection:
            await take(connection, 100)
            await control(port, "drop?mid_frame=1")
            with pytest.raises(ConnectionClosedError) as closed:
                await take(connection, 1_000_000)
            assert closed.value.rcvd is None
        async with subscribe(port) as connection:
            await take(connection, 10)


@pytest.mark.anyio
async def test_drop_cuts_every_connection_without_a_close_frame() -> None:
    async with running(make_options(), until_live=True) as port, subscribe(port) as one, subscribe(port) as two:
        await take(one, 1)
        await take(two, 1)
        assert (await control(port, "drop"))["connections"] == 2
        for connection in (one, two):
            with pytest.raises(ConnectionClosedError) as closed:
                await take(connection, 1_000_000)
            assert closed.value.rcvd is None


@pytest.mark.anyio
async def test_stall_serves_nothing_with_the_socket_open_and_then_everything() -> None:
    async with running(make_options(), until_live=True) as port, subscribe(port, "cursor=0") as connection:
        got = await take(connection, 1000)
        begun, begun_us = time.monotonic(), now_us()
        await control(port, "stall?seconds=1")
        # Part of what follows was on its way already.
        while time_of(got[-1]) < begun_us + 200_000:
            got += await take(connection, 1)
        assert time.monotonic() - begun > 0.9
        await connection.ping()
        async with subscribe(port, "cursor=0") as again:
            assert await take(again, len(got)) == got


@pytest.mark.anyio
async def test_slow_serves_at_most_that_rate() -> None:
    async with running(make_options(), until_live=True) as port:
        await control(port, "slow?rate=100&seconds=60")
        async with subscribe(port, "cursor=0") as connection:
            begun = time.monotonic()
            await take(connection, 101)
            assert time.monotonic() - begun > 0.9
            # Until it ends.
            await control(port, "slow?rate=100&seconds=0")
            await take(connection, 1500)


@pytest.mark.anyio
async def test_duplicate_serves_so_many_events_twice() -> None:
    async with running(make_options(), until_live=True) as port, subscribe(port) as connection:
        await take(connection, 1)
        await control(port, "duplicate?events=50")
        got = await take(connection, 400)
        assert len(set(got)) == 350


@pytest.mark.anyio
async def test_back_serves_everything_again_from_then_on() -> None:
    async with (
        running(make_options(history=timedelta(seconds=100)), until_live=True) as port,
        subscribe(port) as connection,
    ):
        before = await take(connection, 500)
        answer = await control(port, "back?seconds=60")
        assert answer["events"] > 1000
        got = before + await take(connection, answer["events"] + 500)
        turn = next(n for n in range(500, len(got)) if time_of(got[n]) < time_of(got[n - 1]) - 30_000_000)
        # Times are out of order by some milliseconds: those before the turn are asked for too.
        async with subscribe(port, f"cursor={time_of(got[turn]) - 1_000_000}") as again:
            replayed = await take(again, 1500)
        first = replayed.index(got[turn])
        assert replayed[first : first + 1000] == got[turn : turn + 1000]
        assert set(before[-100:]) < set(got[turn:])


@pytest.mark.anyio
async def test_skip_withholds_from_live_and_from_every_replay_of_that_host_only(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    options = make_options(ledger=ledger, hosts=2, clock_offsets=(0.0, 4.0), epoch_us=now_us())

    async with running_hosts(options, until_live=True) as (other, port), subscribe(port) as connection:
        await take(connection, 10)
        answer = await control(port, "skip?seconds=1")
        (line,) = ledger_lines(tmp_path / "ledger.jsonl.withheld")
        from_us, to_us = line["from_us"], line["to_us"]
        assert line == {"host": port, "from_us": answer["from_us"], "to_us": answer["from_us"] + 1_000_000}
        live = [time_of(frame) - 4_000_000 for frame in await take(connection, 800)]
        assert max(live) > to_us
        assert not [time_us for time_us in live if from_us <= time_us < to_us]
        for at, offset_us in ((other, 0), (port, 4_000_000)):
            expected = [
                line["time_us"]
                for line in ledger_lines(ledger)
                if at == other or not from_us <= line["time_us"] < to_us
            ]
            async with subscribe(at, "cursor=0") as replay:
                assert [time_of(frame) - offset_us for frame in await take(replay, len(expected))] == expected

    # The next run on that port goes on without them.
    (line,) = ledger_lines(tmp_path / "ledger.jsonl.withheld")

    once_more = make_options(ledger=ledger, epoch_us=options.epoch_us, port=port)
    async with running(once_more, until_live=True) as again, subscribe(again, "cursor=0") as replay:
        times = [0]
        while times[-1] < line["to_us"]:
            times += [time_of(frame) for frame in await take(replay, 1)]
        # Its history, of which there is the least in the quietest hour of the day.
        assert len(times) > 1000
        assert not [time_us for time_us in times if line["from_us"] <= time_us < line["to_us"]]


@pytest.mark.anyio
async def test_forget_replays_nothing_older_and_the_next_run_does_not_either(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    options = make_options(ledger=ledger, epoch_us=now_us())

    async with running(options, until_live=True) as port:
        async with subscribe(port, "cursor=0") as before:
            first = time_of((await take(before, 1))[0])
        floor_us = first + 20_000_000
        answer = await control(port, f"forget?before_us={floor_us}")
        assert answer["before_us"] == floor_us
        (line,) = ledger_lines(tmp_path / "ledger.jsonl.withheld")
        assert line == {"host": port, "from_us": 0, "to_us": floor_us, "forgotten": True}
        async with subscribe(port, "cursor=0") as after:
            assert min(map(time_of, await take(after, 50))) >= floor_us

    once_more = make_options(ledger=ledger, epoch_us=options.epoch_us, port=port)
    async with running(once_more, until_live=True) as again, subscribe(again, "cursor=0") as replay:
        assert min(map(time_of, await take(replay, 50))) >= floor_us


@pytest.mark.anyio
async def test_refuse_answers_with_that_status_for_so_long() -> None:
    async with running(make_options(), until_live=True) as port:
        await control(port, "refuse?status=429&seconds=60")
        with pytest.raises(InvalidStatus) as refused:
            await subscribe(port)
        assert refused.value.response.status_code == 429
        await control(port, "refuse?seconds=0")
        async with subscribe(port) as connection:
            await take(connection, 1)


@pytest.mark.anyio
async def test_error_closes_the_stream() -> None:
    async with running(make_options(), until_live=True) as port, subscribe(port) as connection:
        await take(connection, 1)
        await control(port, "error?name=ConsumerTooSlow")
        with pytest.raises(ConnectionClosed) as closed:
            await take(connection, 1_000_000)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "ConsumerTooSlow")


@pytest.mark.anyio
async def test_garbage_comes_between_frames_and_is_in_no_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"

    options = make_options(ledger=ledger, epoch_us=now_us())
    async with running(options, until_live=True) as port, subscribe(port, "cursor=0") as connection:
        got = await take(connection, 100)
        await control(port, "garbage?frames=40")
        got = got + await take(connection, 3000)
    garbage = {garbage_frame(number) for number in range(40)}
    assert len([frame for frame in got if frame in garbage]) == 40
    recorded = [line["time_us"] for line in ledger_lines(ledger)]
    good = [time_of(frame) for frame in got if frame not in garbage]
    assert recorded[: len(good)] == good


@pytest.mark.anyio
async def test_state_tells_what_a_host_does() -> None:
    async with (
        running_hosts(make_options(hosts=2, clock_offsets=(0.0, -3.0)), until_live=True) as (_, port),
        subscribe(port, "cursor=0&wantedCollections=app.bsky.feed.post") as connection,
    ):
        await take(connection, 1)
        await control(port, "stall?seconds=0")
        state = await control(port, "state")
        assert (state["host"], state["number"], state["offset_us"], state["live"]) == (port, 1, -3_000_000, True)
        assert state["subscriptions"] == ["/subscribe?cursor=0&wantedCollections=app.bsky.feed.post"]
        assert state["faults"]["stall"] == 1
        assert state["faults"]["drop"] == 0
        assert abs(state["now_us"] - now_us()) < 60_000_000


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("request_path", "said"),
    [
        ("stall", "seconds=None: use a number from 0"),
        ("stall?seconds=soon", "seconds=soon"),
        ("stall?seconds=nan", "seconds=nan"),
        ("slow?rate=0&seconds=1", "rate=0"),
        ("refuse?status=200&seconds=1", "status=200"),
        ("error?name=<b>", "name=<b>"),
        ("explode", "/control/explode: use one of drop, stall"),
    ],
)
async def test_wrong_requests_are_named(request_path: str, said: str) -> None:
    async with running(make_options(rate=0.0, epoch_us=START_US)) as port:
        status, body = await get(port, f"/control/{request_path}")
    assert status == 400
    assert said in json.loads(body)["error"]


@pytest.mark.anyio
async def test_without_the_option_there_is_no_control() -> None:
    async with running(make_options(faults=False, rate=0.0, epoch_us=START_US)) as port:
        got = await get(port, "/control/drop")
    assert got == (404, "/control/drop: start the simulator with --faults\n")
