"""Runs all measurements and prints the table; `--write` puts it into docs/benchmarks.md as well."""

import argparse
import sys
import tempfile
from pathlib import Path

from bench import data, drain, ingest, search
from bench.report import Figure, machine, markdown

EVENTS = 290_000
POSTS = 4_000_000
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
_INTRODUCTION = """# Benchmarks

What `make bench` printed on the machine below; `make bench WRITE=--write` replaces this page. Each figure stands beside a
reference that was taken in the same run, so that two machines can be compared. Every frame is generated beforehand, by
the simulator, with a fixed seed; nothing leaves the machine.
"""


def main() -> int:
    """Measure. Returns 1 if a figure is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure, each figure beside its reference.")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--only", choices=("ingest", "drain", "search"), help="measure only this")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bluelake-bench-") as temporary:
        folder = Path(temporary)
        frames = folder / "frames.jsonl"
        if arguments.only != "search":
            _say(f"generating {EVENTS:,} frames")
            data.generate_frames(frames, EVENTS)
        if arguments.only in (None, "ingest"):
            _say("ingest")
            (folder / "ingest").mkdir()
            figures += ingest.measure(folder / "ingest", frames, EVENTS)
        if arguments.only in (None, "drain"):
            _say("drain")
            figures += drain.measure(folder / "drain", frames)
        if arguments.only in (None, "search"):
            _say(f"search (writing a day of {POSTS:,} posts first)")
            figures += search.measure(folder / "search", POSTS)
    table = f"{markdown(figures)}\n\nMachine: {machine()}.\n"
    print(table)
    if arguments.write:
        DOCUMENT.write_text(f"{_INTRODUCTION}\n{table}", encoding="utf-8")
    return 0 if all(figure.met for figure in figures) else 1


def _say(what: str) -> None:
    print(f"bench: {what} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
