"""Options: what people write, and what is refused with a word on what to do."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.simulator.errors import OptionError
from harness.simulator.options import SimulatorOptions, parse_duration, parse_moment
from tests.support.simulator import START_US


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2d", 172_800), ("36h", 129_600), ("1h30m", 5400), ("90s", 90), ("0", 0), ("0s", 0), (" 1D2h ", 93_600)],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "2", "d", "2 days", "-1h", "1h2d", "9" * 20 + "d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(OptionError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text",
    ["2026-07-04T14:38:08Z", "2026-07-04T16:38:08+02:00", "2026-07-04T14:38:08", "2026-07-04 14:38:08", str(START_US)],
)
def test_moments(text: str) -> None:
    assert parse_moment(text) == START_US


def test_what_is_no_moment() -> None:
    with pytest.raises(OptionError, match="'yesterday': not a moment; use 2026-"):
        parse_moment("yesterday")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"port": 70_000}, "port=70000"),
        ({"rate": -1.0}, "rate=-1"),
        ({"history_rate": float("nan")}, "history_rate=nan"),
        ({"history": timedelta(seconds=-1)}, "history=-1"),
        ({"accounts": 1}, "accounts=1"),
        ({"keep_mb": 0}, "keep_mb=0"),
        ({"sync_share": 0.5}, "sync_share=0.5: use a share"),
        ({"hard_cases": -0.1}, "hard_cases=-0.1"),
        ({"file": Path("frames.jsonl"), "history": timedelta(hours=1)}, "file and history"),
    ],
)
def test_options_that_cannot_be_used_are_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError, match=named):
        SimulatorOptions(**wrong)


def test_live_rate_is_none_with_a_file_unless_asked_for() -> None:
    assert SimulatorOptions().live_rate == 50
    assert SimulatorOptions(file=Path("frames.jsonl")).live_rate == 0
    assert SimulatorOptions(file=Path("frames.jsonl"), rate=7).live_rate == 7
