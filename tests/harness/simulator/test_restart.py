"""Restarts: the same seed, epoch and ledger continue the same timeline, however the run before ended."""

import asyncio
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from harness.simulator.activity import MICROSECONDS
from harness.simulator.errors import LedgerMismatchError
from harness.simulator.options import SimulatorOptions
from harness.simulator.server import now_us
from tests.support.simulator import START_US, TIMEOUT_SECONDS, running, subscribe, take


def make_options(ledger: Path, **changes: object) -> SimulatorOptions:
    given = {"port": 0, "history": timedelta(minutes=5), "history_rate": 4.0, "rate": 20.0, "seed": 5, "accounts": 300}
    return SimulatorOptions(**{**given, "epoch_us": START_US, "ledger": ledger, **changes})  # type: ignore[arg-type]


async def run_until(options: SimulatorOptions, seconds: float) -> list[bytes]:
    """A run whose clock stands at that many seconds after the epoch. Gives all that it served."""
    clock_us = START_US + int(seconds * MICROSECONDS)
    assert options.ledger is not None
    async with (
        running(options, lambda: clock_us, until_live=True) as port,
        subscribe(port, "cursor=0") as connection,
    ):
        return await take(connection, options.ledger.read_bytes().count(b"\n"))


@pytest.mark.anyio
async def test_a_restart_continues_the_timeline(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    expected = await run_until(make_options(whole), 30)
    first = await run_until(make_options(parts), 12.3)
    assert 0 < len(first) < len(expected)
    assert first == expected[: len(first)]
    recorded = parts.read_bytes()
    assert whole.read_bytes().startswith(recorded)
    # As after a kill in the middle of a write.
    parts.write_bytes(recorded[:-100])
    assert await run_until(make_options(parts), 30) == expected
    assert parts.read_bytes() == whole.read_bytes()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "change",
    [{"seed": 6}, {"rate": 21.0}, {"epoch_us": START_US + 1}, {"history_rate": 5.0}],
    ids=lambda change: next(iter(change)),
)
async def test_another_timeline_is_refused_on_the_same_ledger(tmp_path: Path, change: dict[str, object]) -> None:
    ledger = tmp_path / "ledger.jsonl"
    await run_until(make_options(ledger), 12)
    before = ledger.read_bytes()
    with pytest.raises(LedgerMismatchError):
        await run_until(make_options(ledger, **change), 13)
    assert ledger.read_bytes() == before


def start(ledger: Path, *more: str) -> tuple[subprocess.Popen[str], int]:
    command = [
        sys.executable,
        "-m",
        "harness.simulator",
        "--port",
        "0",
        "--history",
        "1m",
        "--rate",
        "300",
        "--accounts",
        "300",
    ]
    process = subprocess.Popen(
        [*command, "--ledger", str(ledger), *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said.startswith("listening on ws://127.0.0.1:"), said
    return process, int(said.split(":")[2].split("/")[0])


async def served(port: int, count: int) -> list[bytes]:
    async with subscribe(port, "cursor=0") as connection:
        return await take(connection, count)


@pytest.mark.integration
@pytest.mark.anyio
async def test_a_killed_process_leaves_a_complete_ledger_and_its_successor_goes_on(tmp_path: Path) -> None:
    ledger, epoch = tmp_path / "ledger.jsonl", f"--epoch={now_us()}"
    process, port = start(ledger, epoch)
    first = await served(port, 600)
    process.kill()
    process.communicate(timeout=TIMEOUT_SECONDS)
    recorded = ledger.read_bytes()
    assert recorded.count(b"\n") >= len(first)

    process, port = start(ledger, epoch)
    assert (await served(port, 800))[:600] == first
    process.terminate()
    process.communicate(timeout=TIMEOUT_SECONDS)
    assert ledger.read_bytes().startswith(recorded[: recorded.rindex(b"\n") + 1])
    assert ledger.read_bytes().count(b"\n") >= 800


@pytest.mark.integration
@pytest.mark.anyio
async def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    process, port = start(tmp_path / "ledger.jsonl")

    async with subscribe(port, "cursor=0") as connection:
        await take(connection, 400)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, TIMEOUT_SECONDS)
    output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert "history complete" in output
