"""The command line: one line on what is wrong, and files of frames."""

import json
import socket
from pathlib import Path

import pytest

from harness.simulator.cli import main
from harness.simulator.generator import generate_frames
from harness.simulator.options import parse_moment
from tests.support.simulator import ledger_lines


def test_generate_writes_frames_and_their_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, ledger = tmp_path / "frames.jsonl", tmp_path / "ledger.jsonl"
    arguments = ["generate", "--count", "1500", "--seed", "4", "--rate", "50", "--accounts", "200"]
    assert main([*arguments, "--out", str(out), "--start", "2026-07-04", "--ledger", str(ledger)]) == 0
    frames = list(generate_frames(1500, 4, parse_moment("2026-07-04"), 50.0, accounts=200))
    assert out.read_bytes().splitlines() == frames
    assert [line["time_us"] for line in ledger_lines(ledger)] == [json.loads(frame)["time_us"] for frame in frames]
    assert f"wrote 1500 frames, {out.stat().st_size} bytes" in capsys.readouterr().out
    # The ledger of a file begins with it.
    assert main([*arguments, "--out", str(out), "--ledger", str(ledger)]) == 2
    assert "exists; choose another path" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--history", "soon"], "'soon': not a duration"),
        (["--epoch", "soon"], "'soon': not a moment"),
        (["--port", "99999"], "port=99999"),
        (["--rate", "fast"], "--rate"),
        (["--unknown"], "--unknown"),
        (["--file", "/nowhere/frames.jsonl", "--port", "0"], "/nowhere/frames.jsonl: No such file"),
        (["--ledger", "/dev/null/ledger.jsonl", "--port", "0"], "ledger /dev/null/ledger.jsonl"),
        (["generate", "--count", "5", "--out", "/nowhere/frames.jsonl"], "/nowhere/frames.jsonl: No such file"),
        (["generate", "--count", "5", "--out", "x", "--rate", "0"], "rate=0"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1


def test_a_taken_port_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 2
    errors = capsys.readouterr().err
    assert "is taken; stop what listens there or choose another with --port" in errors
    assert errors.count("\n") == 1
