"""Runs all measurements and prints the table; `--write` puts it into docs/benchmarks.md as well."""

import argparse
import sys
import tempfile
from pathlib import Path

from harness.bench import availability, buffer, catch_up, data, drain, ingest, seal, search
from harness.bench.report import Figure, machine, markdown

EVENTS = 290_000
HOUR_EVENTS = 3_000_000
MEASUREMENTS = ("ingest", "buffer", "drain", "catch-up", "seal", "search", "availability")
POSTS = 4_000_000
DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.md"
_INTRODUCTION = """# Benchmarks

`make bench` printed these figures on the machine below. `make bench WRITE=--write` replaces this page. Each figure stands beside
a reference of the same run, so you can compare two machines. The simulator generates every frame beforehand, with a fixed
seed. Nothing leaves the machine.

Example: *drain, events/s* is 15% or more of what DuckDB's `read_json` alone reads of the same frames. On a machine that is half
as fast both halve, and the share stays.
"""


def main() -> int:
    """Measure. Returns 1 if a figure is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure, each figure beside its reference.")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--only", choices=MEASUREMENTS, help="measure only this")
    arguments = parser.parse_args()
    wanted = MEASUREMENTS if arguments.only is None else (arguments.only,)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bluelake-bench-") as temporary:
        for name in wanted:
            figures += _measure(name, Path(temporary))
    table = f"{markdown(figures)}\n\nMachine: {machine()}.\n"
    print(table)
    if arguments.write:
        DOCUMENT.write_text(f"{_INTRODUCTION}\n{table}", encoding="utf-8")
    return 0 if all(figure.met for figure in figures) else 1


def _measure(name: str, folder: Path) -> list[Figure]:
    _say(name)
    if name == "ingest":
        return ingest.measure(folder / name, _frames(folder, EVENTS, 967), EVENTS)
    if name == "buffer":
        return buffer.measure(folder / name)
    if name == "drain":
        return drain.measure(folder / name, _frames(folder, EVENTS, 967))
    if name == "catch-up":
        # A little faster than an hour would need, so that all of them are of one hour.
        return catch_up.measure(folder / name, _frames(folder, HOUR_EVENTS, 1000), HOUR_EVENTS)
    if name == "seal":
        return seal.measure(folder / name, _frames(folder, HOUR_EVENTS, 1000))
    if name == "search":
        return search.measure(folder / name, POSTS)
    return availability.measure(folder / name)


def _frames(folder: Path, count: int, rate: int) -> Path:
    """A file of so many frames, so many a second; made once."""
    path = folder / f"frames-{count}.jsonl"
    if not path.exists():
        _say(f"generating {count:,} frames")
        data.generate_frames(path, count, rate)
    return path


def _say(what: str) -> None:
    print(f"bench: {what} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
