"""docs/chaos.md names every crash point, every fault and every kind of difference, and nothing else."""

import re

from bluelake.core.crash import CRASH_POINTS
from harness.chaos.plan import WEIGHTS
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "chaos.md").read_text(encoding="utf-8")


def named(heading: str) -> list[str]:
    section = re.split(r"^## ", PAGE.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def test_every_crash_point_is_described_in_order() -> None:
    assert named("Crash points") == list(CRASH_POINTS)


def test_every_fault_is_described() -> None:
    assert named("Faults") == list(WEIGHTS)


def test_every_kind_of_difference_is_described() -> None:
    source = (ROOT / "harness" / "oracle" / "judge.py").read_text(encoding="utf-8")
    assert set(named("The oracle")) == set(re.findall(r'_say\(\s*"([a-z]+)"', source))
