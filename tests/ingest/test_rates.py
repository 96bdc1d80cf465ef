"""Steady streams and slow hosts."""

import json
from pathlib import Path

import pytest

from bluelake.core.clock import now_us
from ingest.rates import Flow, UsualRate

SECOND_US = 1_000_000
HOSTS = frozenset({"a", "b"})


def test_a_stream_is_steady_once_a_pause_cannot_be_chance() -> None:
    flow = Flow()
    flow.note(0, 0)
    for number in range(1, 30):
        flow.note(1, number * SECOND_US)
    assert flow.is_young  # 29 events
    assert not flow.is_steady(60 * SECOND_US)
    flow.note(1, 30 * SECOND_US)
    assert not flow.is_young
    assert flow.is_steady(60 * SECOND_US)
    assert not flow.is_steady(29 * SECOND_US)


def test_a_stream_that_becomes_sparse_is_no_longer_steady() -> None:
    flow = Flow()
    flow.note(0, 0)
    flow.note(10_000, 10 * SECOND_US)
    assert flow.is_steady(SECOND_US)
    for number in range(1, 40):
        flow.note(1, (10 + 10 * number) * SECOND_US)
    assert not flow.is_steady(60 * SECOND_US)


def test_a_host_is_slow_below_its_share_of_what_was_learned(tmp_path: Path) -> None:
    usual = UsualRate(0.3, HOSTS, tmp_path / "rate.json")
    # Its times do not go on: an idle host, or one that repeats itself.
    assert not usual.is_slow("a", 10, 100, 49)
    assert usual.per_second is None
    # Catching up: a thousand seconds in a hundred.
    assert not usual.is_slow("a", 600_000, 100, 1000)
    assert usual.per_second == 600
    assert not usual.is_slow("a", 18_000, 100, 0)
    assert usual.is_slow("a", 17_999, 100, 100)
    assert usual.per_second == 600
    # It follows the network's day slowly.
    assert not usual.is_slow("b", 40_000, 100, 100)
    assert usual.per_second == 0.8 * 600 + 0.2 * 400


def test_once_every_host_is_slow_the_usual_rate_is_learned_anew(tmp_path: Path) -> None:
    usual = UsualRate(0.3, HOSTS, tmp_path / "rate.json")
    usual.is_slow("a", 60_000, 100, 100)
    assert usual.is_slow("a", 1_000, 100, 100)
    assert not usual.is_slow("b", 1_000, 100, 100)
    assert usual.per_second is None
    assert not usual.is_slow("b", 1_000, 100, 100)
    assert usual.per_second == 10


def test_a_host_that_cannot_be_had_is_no_better_than_a_slow_one(tmp_path: Path) -> None:
    usual = UsualRate(0.3, HOSTS, tmp_path / "rate.json")
    usual.is_slow("a", 60_000, 100, 100)
    usual.no_better("b")
    assert not usual.is_slow("a", 1_000, 100, 100)


def test_few_events_say_nothing_and_a_share_of_zero_switches_it_off(tmp_path: Path) -> None:
    usual = UsualRate(0.3, HOSTS, tmp_path / "rate.json")
    usual.is_slow("a", 60, 100, 100)
    assert not usual.is_slow("a", 0, 100, 100)
    off = UsualRate(0, HOSTS, tmp_path / "another.json")
    off.is_slow("a", 60_000, 100, 100)
    assert not off.is_slow("a", 0, 100, 100)


def test_what_was_learned_outlives_a_restart_until_every_host_is_slow(tmp_path: Path) -> None:
    path = tmp_path / "rate.json"
    UsualRate(0.3, HOSTS, path).is_slow("a", 60_000, 100, 100)
    usual = UsualRate(0.3, HOSTS, path)
    assert usual.per_second == 600
    assert usual.is_slow("a", 6_000, 100, 100)
    usual.no_better("b")
    assert UsualRate(0.3, HOSTS, path).per_second is None


@pytest.mark.parametrize(
    "at_seconds", [0, -6 * 86400, -8 * 86400, 8 * 86400], ids=["now", "6 days ago", "8 days ago", "8 days ahead"]
)
def test_a_rate_of_long_ago_is_not_known(tmp_path: Path, at_seconds: int) -> None:
    path = tmp_path / "rate.json"
    path.write_text(json.dumps({"per_second": 600, "at_us": now_us() + at_seconds * SECOND_US}))
    assert UsualRate(0.3, HOSTS, path).per_second == (600 if abs(at_seconds) < 7 * 86400 else None)


@pytest.mark.parametrize(
    "rate",
    ["-600", "0", "NaN", "Infinity", "null", "[]", '"many"', "1" + "0" * 400],
    ids=["negative", "zero", "NaN", "infinite", "null", "array", "text", "huge"],
)
def test_a_rate_that_is_none_is_not_known(tmp_path: Path, rate: str) -> None:
    path = tmp_path / "rate.json"
    path.write_text(f'{{"per_second": {rate}, "at_us": {now_us()}}}')
    assert UsualRate(0.3, HOSTS, path).per_second is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b"7", b"{}", b'{"per_second": 600}', b"[" * 100_000],
    ids=["empty", "cut", "no UTF-8", "array", "number", "object", "no time", "deep"],
)
def test_a_damaged_file_is_no_rate(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rate.json"
    path.write_bytes(content)
    assert UsualRate(0.3, HOSTS, path).per_second is None


def test_a_rate_that_cannot_be_kept_is_known_all_the_same(tmp_path: Path) -> None:
    usual = UsualRate(0.3, HOSTS, tmp_path / "missing" / "rate.json")
    usual.is_slow("a", 60_000, 100, 100)
    assert usual.per_second == 600
