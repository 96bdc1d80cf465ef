"""Where the repository and the real data lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REAL_FRAMES = ROOT.parent / "shared" / "data" / "jetstream_v1_frames.jsonl"
