"""The ledger: complete lines, at once, and the same ones again after a restart."""

from pathlib import Path

import pytest

from harness.simulator.errors import LedgerError, LedgerMismatchError
from harness.simulator.ledger import Ledger


def test_lines_are_in_the_file_as_soon_as_they_are_recorded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.record(['{"n":1}', '{"text":"日本"}'])
        assert path.read_text() == '{"n":1}\n{"text":"日本"}\n'
        ledger.record([])
        ledger.record(['{"n":3}'])
        assert path.read_text() == '{"n":1}\n{"text":"日本"}\n{"n":3}\n'


def test_another_run_checks_what_is_there_and_appends_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    lines = [f'{{"n":{number}}}' for number in range(10)]
    with Ledger(path) as ledger:
        ledger.record(lines[:7])
    with Ledger(path) as ledger:
        for start in range(0, 10, 4):
            ledger.record(lines[start : start + 4])
    assert path.read_text().splitlines() == lines


@pytest.mark.parametrize("cut", [1, 3, 7])
def test_a_line_that_was_not_finished_is_written_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"n":0}\n{"n":1}\n'[:-cut])
    with Ledger(path) as ledger:
        ledger.record(['{"n":0}', '{"n":1}', '{"n":2}'])
    assert path.read_text() == '{"n":0}\n{"n":1}\n{"n":2}\n'


def test_a_first_line_that_was_not_finished_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"x" * 200_000)
    with Ledger(path) as ledger:
        ledger.record(['{"n":0}'])
    assert path.read_text() == '{"n":0}\n'


def test_another_timeline_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"n":0}\n{"n":1}\n')
    with Ledger(path) as ledger, pytest.raises(LedgerMismatchError, match="line 2 is of another timeline"):
        ledger.record(['{"n":0}', '{"n":9}', '{"n":2}'])
    assert path.read_text() == '{"n":0}\n{"n":1}\n'


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path), pytest.raises(LedgerError, match="another simulator writes it"):
        Ledger(path)
    Ledger(path).close()


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="choose another path"):
        Ledger(tmp_path)
