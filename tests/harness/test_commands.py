"""`bluelake simulate`: the simulator's options, with the defaults of a BLUELAKE_HOME."""

from datetime import timedelta
from pathlib import Path

import pytest

from bluelake.cli.main import main
from harness.simulator.options import SimulatorOptions
from tests.support.frames import NOON_US


@pytest.fixture
def runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[SimulatorOptions]:
    """The options of each run; the simulator itself does not start."""
    monkeypatch.setenv("BLUELAKE_HOME", str(home))
    monkeypatch.setenv("SIMULATOR_PORT", "7001")
    started: list[SimulatorOptions] = []
    monkeypatch.setattr("harness.simulator.run.run", started.append)
    (home / "simulator").mkdir()
    (home / "simulator" / "epoch").write_text(f"{NOON_US}\n")
    return started


def test_what_is_not_given_comes_from_the_home(runs: list[SimulatorOptions], home: Path) -> None:
    assert main(["simulate"]) == 0
    ledger = home / "simulator" / "ledger.jsonl"
    assert runs == [SimulatorOptions(port=7001, history=timedelta(days=2), epoch_us=NOON_US, ledger=ledger)]


def test_what_is_given_goes_before_the_home(runs: list[SimulatorOptions], home: Path, tmp_path: Path) -> None:
    given = ["--port", "0", "--history", "0", "--epoch", "2026-07-04T13:00:00Z", "--ledger", str(tmp_path / "truth")]
    assert main(["simulate", *given]) == 0
    hour_us = 3_600_000_000
    assert runs == [SimulatorOptions(port=0, epoch_us=NOON_US + hour_us, ledger=tmp_path / "truth")]
    # One option that is given leaves the defaults of the others.
    assert main(["simulate", "--rate", "7", "--clock-offsets", "-1,2.5", "--hosts", "2"]) == 0
    assert (runs[1].rate, runs[1].clock_offsets, runs[1].port) == (7.0, (-1.0, 2.5), 7001)
    assert runs[1].history == timedelta(days=2)


def test_a_file_is_the_history(runs: list[SimulatorOptions]) -> None:
    assert main(["simulate", "--file", "frames.jsonl"]) == 0
    assert (runs[0].file, runs[0].history) == (Path("frames.jsonl"), timedelta(0))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--history", "soon"], "bluelake: 'soon': not a duration; use days"),
        (["--port", "99999"], "bluelake: port=99999: use 0 to 65535"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(
    arguments: list[str], line: str, runs: list[SimulatorOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(line)
    assert errors.count("\n") == 1
    assert runs == []
