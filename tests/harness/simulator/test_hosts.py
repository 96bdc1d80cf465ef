"""Several hosts over one timeline: the same events, by clocks that are apart."""

import contextlib
import re
from datetime import timedelta
from pathlib import Path

import pytest

from harness.simulator.errors import OptionError
from harness.simulator.options import SimulatorOptions, parse_offsets
from tests.support.simulator import START_US, get, running_hosts, subscribe, take

HISTORY = timedelta(seconds=60)
EVENTS = 1000


def make_options(**changes: object) -> SimulatorOptions:
    given = {"port": 0, "history": HISTORY, "history_rate": 30.0, "rate": 0.0, "seed": 5, "accounts": 300}
    return SimulatorOptions(**{**given, "epoch_us": START_US, **changes})  # type: ignore[arg-type]


def time_of(frame: bytes) -> int:
    found = re.search(rb'"time_us":(\d+)', frame)
    assert found is not None
    return int(found[1])


@pytest.mark.anyio
async def test_every_host_serves_the_same_events_by_its_own_clock() -> None:
    async with (
        running_hosts(make_options(hosts=3, clock_offsets=(0.0, 2.5)), until_live=True) as ports,
        contextlib.AsyncExitStack() as stack,
    ):
        assert len(set(ports)) == 3
        right, fast, unnamed = [
            await take(await stack.enter_async_context(subscribe(port, "cursor=0")), EVENTS) for port in ports
        ]
        assert unnamed == right
        assert [time_of(frame) for frame in fast] == [time_of(frame) + 2_500_000 for frame in right]
        without = re.compile(rb'"time_us":\d+')
        assert [without.sub(b"", frame) for frame in fast] == [without.sub(b"", frame) for frame in right]


@pytest.mark.anyio
@pytest.mark.parametrize("offset", [2.5, -3.0])
async def test_a_cursor_is_a_time_of_the_host_that_it_is_given_to(offset: float) -> None:
    async with (
        running_hosts(make_options(hosts=2, clock_offsets=(0.0, offset)), until_live=True) as (right, other),
        subscribe(right, "cursor=0") as at_right,
    ):
        base = await take(at_right, EVENTS)
        cursor = time_of(base[400]) + int(offset * 1e6)
        async with subscribe(other, f"cursor={cursor}") as connection:
            got = await take(connection, 500)
        expected = [time_of(frame) for frame in base if time_of(frame) >= time_of(base[400])]
        assert [time_of(frame) - int(offset * 1e6) for frame in got] == expected[:500]


@pytest.mark.anyio
async def test_filters_hold_at_a_host_whose_clock_is_off() -> None:
    query = "cursor=0&wantedCollections=app.bsky.feed.post"

    async with (
        running_hosts(make_options(hosts=2, clock_offsets=(0.0, -1.0)), until_live=True) as (right, other),
        subscribe(right, query) as one,
        subscribe(other, query) as two,
    ):
        expected = [time_of(frame) - 1_000_000 for frame in await take(one, 100)]
        assert [time_of(frame) for frame in await take(two, 100)] == expected


@pytest.mark.anyio
async def test_lines_of_a_file_are_shifted_where_they_are_shaped_as_jetstreams(tmp_path: Path) -> None:
    lines = [
        b'{"did":"did:plc:a","time_us":999999999,"kind":"commit","commit":{"collection":"a.b.c"}}',
        b"not json",
        b'{"kind":"commit","time_us":1000000005}',
    ]
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    options = SimulatorOptions(port=0, file=path, hosts=2, clock_offsets=(0.0, 3.0), accounts=300)

    async with running_hosts(options, until_live=True) as (_, other), subscribe(other, "cursor=1") as connection:
        assert await take(connection, 3) == [lines[0].replace(b"999999999", b"1002999999"), *lines[1:]]


@pytest.mark.anyio
async def test_fixed_ports_are_consecutive() -> None:
    async with running_hosts(make_options(hosts=1)) as (free,):
        pass
    async with running_hosts(make_options(hosts=2, port=free)) as ports:
        assert ports == [free, free + 1]
        assert (await get(free + 1, "/healthz"))[0] == 200


@pytest.mark.anyio
async def test_what_lies_before_the_retention_is_not_replayed_and_nobody_says_so() -> None:
    options = make_options(retention=timedelta(seconds=20), hosts=2, clock_offsets=(0.0, 5.0))
    async with running_hosts(options, lambda: START_US, until_live=True) as ports:
        for port, offset_us in zip(ports, (0, 5_000_000), strict=True):
            floor_us = START_US - 20_000_000 + offset_us
            async with subscribe(port, f"cursor={floor_us - 30_000_000}") as connection:
                times = [time_of(frame) for frame in await take(connection, 500)]
            assert floor_us <= min(times) < floor_us + 1_000_000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hosts": 0}, "hosts=0: use 1 to 16"),
        ({"hosts": 3, "port": 65_534}, "hosts=3"),
        ({"clock_offsets": (0.0, 1.0)}, "at most one a host, there are 1"),
        ({"clock_offsets": (float("nan"),)}, "clock_offsets=nan: use seconds"),
        ({"retention": timedelta(0)}, "retention="),
    ],
)
def test_wrong_options_are_named(changes: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        make_options(**changes)


def test_clock_offsets_as_people_write_them() -> None:
    assert parse_offsets("0,2.5,-3") == (0.0, 2.5, -3.0)
    assert parse_offsets("") == ()
    with pytest.raises(OptionError, match="'fast': not clock offsets"):
        parse_offsets("fast")
