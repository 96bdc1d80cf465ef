"""The list of mutants fits the code: what they change is there, and what has to find them is too."""

import re
import shutil
from pathlib import Path

import pytest

from chaos.mutants.campaign import MUTANTS, Result, fails, table
from chaos.mutants.mutant import Mutant
from chaos.plan import WEIGHTS
from core.crash import CRASH_POINTS
from tests.conftest import ROOT


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
    for check in mutant.checks:
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
    named = re.findall(r"^\| ([a-z-]+) \| ", page, re.MULTILINE)
    assert [name for name in named if name != "mutant"] == [mutant.name for mutant in MUTANTS]
    assert "not caught" not in page


def test_a_mutant_that_was_not_caught_is_said_so() -> None:
    assert "**not caught**" in table([Result(MUTANTS[0], "", 1.0)])
