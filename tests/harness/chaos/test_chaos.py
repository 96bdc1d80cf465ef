"""A short version of `make chaos`: some seeds under every kind of fault."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError

from harness.chaos.faults import ACTIONS
from harness.chaos.plan import WEIGHTS, draw
from harness.chaos.processes import RedisProcess
from harness.chaos.run import run, tracebacks

# The faults that go together in one run; every kind of fault is in one of them.
RUNS: dict[int, Sequence[str]] = {
    11: ("host-drop", "kill-ingest", "redis-flush", "kill-drain", "host-duplicate"),
    12: ("host-skip", "host-garbage", "redis-empty", "two-drains", "stop-ingest"),
    13: ("host-back", "power-loss", "clock-step", "host-error", "redis-pause"),
    14: ("disk-full", "two-ingesters", "redis-full", "host-slow", "kill-seal"),
    16: ("outage", "host-garbage", "kill-drain"),
    15: ("redis-kill", "host-refuse", "replay", "host-stall", "kill-simulator", "redis-stop"),
}


def test_every_kind_of_fault_is_in_some_run() -> None:
    assert {name for names in RUNS.values() for name in names} == WEIGHTS.keys() - {"crash"}
    assert {name for name in WEIGHTS if not name.startswith("host-")} == ACTIONS.keys()


def test_a_plan_is_a_function_of_its_seed() -> None:
    assert draw(7) == draw(7)
    assert len({str(draw(seed)) for seed in range(30)}) == 30


def test_a_traceback_in_a_log_is_told(tmp_path: Path) -> None:
    (tmp_path / "drain.log").write_text("INFO drained\nbluelake: No space left on device\n")
    assert tracebacks(tmp_path) == []
    (tmp_path / "ingest.log").write_text(
        'ERROR odd\nTraceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nValueError: 7\nINFO on\n'
    )
    assert tracebacks(tmp_path) == ["unexpected: ingest.log: ValueError: 7"]


def test_a_redis_that_is_started_twice_is_one_server_and_ends(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    redis = RedisProcess(tmp_path / "redis")
    try:
        redis.start()
        first = redis.client.info("server")["process_id"]
        redis.start()
        assert redis.client.info("server")["process_id"] == first
    finally:
        redis.kill()
    with pytest.raises(ConnectionError):
        redis.client.ping()


@pytest.mark.integration
@pytest.mark.parametrize("seed", RUNS, ids=[f"{seed}: {' '.join(names)}" for seed, names in RUNS.items()])
def test_nothing_is_lost_doubled_or_shown_that_is_gone(seed: int, tmp_path: Path) -> None:
    outcome = run(draw(seed, RUNS[seed]), tmp_path / "run")
    assert outcome.ok, f"{outcome.plan}\n{outcome.failure}"
    # A fault, or a slow machine, can keep another one from being done; a run without any shows nothing.
    assert sum(outcome.done.values()) >= 1, outcome.refused
