"""Where the repository, the real data and the failing cases lie."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT.parent / "shared" / "cases"
REAL_FRAMES = ROOT.parent / "shared" / "data" / "jetstream_v1_frames.jsonl"


def case_frames(case: str, name: str = "input.jsonl") -> list[bytes]:
    """The frames of one case, in order. The test is skipped where the case is not here."""
    path = CASES / case / name
    if not path.exists():
        pytest.skip(f"the case is not at {path}")
    return path.read_bytes().splitlines()
