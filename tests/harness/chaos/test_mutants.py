"""The list of mutants fits the code: what they change is there, and what has to find them is too."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bluelake.core.crash import CRASH_POINTS
from harness.chaos.mutants import campaign
from harness.chaos.mutants.campaign import MUTANTS, Result, differences_in, fails, harness_table, main, table
from harness.chaos.mutants.mutant import Mutant
from harness.chaos.plan import WEIGHTS
from harness.errors import HarnessError
from tests.support.paths import ROOT


def test_there_are_many_and_no_name_stands_twice() -> None:
    assert len(MUTANTS) >= 35
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_still_applies(mutant: Mutant, tmp_path: Path) -> None:
    copy = tmp_path / mutant.file
    copy.parent.mkdir(parents=True)
    shutil.copy(ROOT / mutant.file, copy)
    mutant.apply(tmp_path)
    mutated = copy.read_text(encoding="utf-8")
    assert mutated != (ROOT / mutant.file).read_text(encoding="utf-8")
    if mutant.file.endswith(".py"):
        compile(mutated, mutant.file, "exec")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_what_has_to_find_it_is_there(mutant: Mutant) -> None:
    assert mutant.checks
    for check in (*mutant.checks, *([f"chaos {mutant.harness}"] if mutant.harness else [])):
        if check.startswith("chaos "):
            _, seed, actions = check.split()
            assert seed.isdecimal()
            for action in actions.split(","):
                name, _, argument = action.partition(":")
                assert name in WEIGHTS
                assert name != "crash" or argument.partition(":")[0] in CRASH_POINTS
        else:
            file, _, test = check.partition("::")
            text = (ROOT / file).read_text(encoding="utf-8")
            assert not test or re.search(rf"^(async )?def {test}\(", text, re.MULTILINE), check


def test_a_mutant_that_no_longer_fits_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(Exception, match="stands 0 times"):
        Mutant("m", "b", "a.py", "y = 1", "y = 2", ("tests/x.py",)).apply(tmp_path)


def test_a_check_fails_only_if_something_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "test_small.py").write_text("def test_it():\n    assert 1 + 1 == 2\n")
    assert not fails("test_small.py", tmp_path)
    (tmp_path / "test_small.py").write_text("def test_it():\n    assert 1 + 1 == 3\n")
    assert fails("test_small.py", tmp_path)


def test_the_page_has_every_mutant_and_says_that_it_was_caught() -> None:
    page = (ROOT / "docs" / "mutants.md").read_text(encoding="utf-8")
    caught, _, seen = page.partition("\n## What the harness sees by itself\n")
    assert _named(caught) == [mutant.name for mutant in MUTANTS]
    assert _named(seen) == [mutant.name for mutant in MUTANTS if mutant.harness]
    assert "not caught" not in caught
    assert "**nothing**" not in seen
    assert len(_named(seen)) >= 12


def _named(page: str) -> list[str]:
    return [name for name in re.findall(r"^\| ([a-z-]+) \| ", page, re.MULTILINE) if name != "mutant"]


def test_a_check_that_cannot_be_run_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_small.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(HarnessError, match="says nothing of the mutant"):
        fails("test_small.py", tmp_path)
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").touch()
    (tmp_path / "harness" / "chaos.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(HarnessError, match="says nothing of the mutant"):
        fails("chaos 1 kill-drain", tmp_path)


def test_what_the_oracle_said_is_told_without_its_rows() -> None:
    log = "seed 1: FAILED in 20 s\n  9 events, 7 rows\n  2 hidden (posts 2)\n    hidden: posts ('a',): x\n  12 lost (likes 12)\n"
    assert differences_in(log) == "2 hidden, 12 lost"
    assert differences_in("seed 1: FAILED\n  PipelineError: drain: exit code 1\n") == "a command failed"
    assert differences_in("seed 1: FAILED\n  HarnessError: Redis answers: not within 20 s\n") == ""


def test_a_mutant_that_the_harness_does_not_see_is_missed() -> None:
    mutant = replace(MUTANTS[0], harness="1 kill-drain")
    assert Result(mutant, "tests/x.py", 1.0).is_missed
    assert "**nothing**" in harness_table([Result(mutant, "tests/x.py", 1.0)])
    assert not Result(mutant, "tests/x.py", 1.0, "1 lost").is_missed


def test_the_page_keeps_the_rows_of_mutants_that_were_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "mutants.md"
    shutil.copy(campaign.PAGE, page)
    monkeypatch.setattr(campaign, "PAGE", page)
    before = page.read_text(encoding="utf-8").splitlines()
    tried = next(mutant for mutant in MUTANTS if mutant.harness)
    campaign.write_page([Result(tried, "tests/x.py", 7.0, "3 lost")])
    after = page.read_text(encoding="utf-8").splitlines()
    changed = [line for line in after if line not in before]
    assert changed == [
        f"| {tried.name} | {tried.breaks} | `{tried.file}` | `tests/x.py` | 7 |",
        f"| {tried.name} | `--first-seed {' --actions '.join(tried.harness.split())}` | 3 lost |",
    ]
    assert len(after) == len(before)


def test_a_mutant_that_was_not_caught_is_said_so() -> None:
    assert "**not caught**" in table([Result(MUTANTS[0], "", 1.0)])


@pytest.mark.parametrize("arguments", [["--only", "no-such-mutant"], ["--file", "nowhere/"]], ids=["name", "file"])
def test_a_mutant_that_does_not_exist_is_an_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert arguments[1] in capsys.readouterr().err
