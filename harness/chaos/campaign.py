"""Many seeded runs, or one again: what `python -m harness.chaos` does."""

import argparse
import multiprocessing
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bluelake.core.crash import CRASH_POINTS
from harness.chaos.plan import draw
from harness.chaos.run import Outcome, run

# An action that was to happen so often and never could tells of the harness or the machine, not of bad luck.
_DRAWN_OFTEN = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what `arguments` ask for. Returns the exit code: 1 if any run failed, or some kind of action never had any
    effect."""
    parser = argparse.ArgumentParser(prog="python -m harness.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="how many seeds, one after the other (default 1)")
    parser.add_argument("--first-seed", type=int, default=1, help="the first of them (default 1)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time (default 1)")
    parser.add_argument("--keep", type=Path, help="folder for what failed runs leave (default: a temporary one)")
    parser.add_argument(
        "--actions", help="instead of drawn actions: names with commas between, crash:POINT names a point"
    )
    given = parser.parse_args(arguments)
    keep = given.keep or Path(tempfile.mkdtemp(prefix="bluelake-chaos-"))
    names = given.actions.split(",") if given.actions else None
    jobs = [(seed, names, keep / f"seed-{seed}") for seed in range(given.first_seed, given.first_seed + given.runs)]
    began = time.monotonic()
    failed: list[int] = []
    drawn: Counter[str] = Counter()
    took_effect: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    exits: Counter[str] = Counter()
    signal.signal(signal.SIGTERM, _leave)
    with multiprocessing.get_context("spawn").Pool(given.jobs, _leave_when_told, maxtasksperchild=20) as pool:
        for number, outcome in enumerate(pool.imap_unordered(_one, jobs), 1):
            drawn.update(action.name for action in outcome.plan.actions)
            took_effect += outcome.done
            hits += outcome.hits
            exits += outcome.exits
            if not outcome.ok:
                failed.append(outcome.plan.seed)
            _tell(outcome, keep, given.actions)
            _tell_progress(number, len(jobs), len(failed), time.monotonic() - began)
        # Not by the block's end, which stops the workers with a signal.
        pool.close()
        pool.join()
    print(f"{len(jobs)} runs in {(time.monotonic() - began) / 60:.1f} min: {len(failed)} failed", end="")
    print(f": seeds {', '.join(map(str, sorted(failed)))}" if failed else "")
    print("died at: " + ", ".join(f"{point} {hits[point]}" for point in CRASH_POINTS))
    print("ended with an error during faults: " + (", ".join(f"{kind} {n}" for kind, n in exits.items()) or "none"))
    print("took effect: " + ", ".join(f"{name} {took_effect[name]} of {n}" for name, n in sorted(drawn.items())))
    never = [name for name, n in sorted(drawn.items()) if n >= _DRAWN_OFTEN and not took_effect[name]]
    if never:
        print(f"NEVER took effect, so that nothing is shown of it: {', '.join(never)}")
    return 1 if failed or never else 0


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _leave_when_told() -> None:
    """A worker that is stopped ends the processes of its run first."""
    signal.signal(signal.SIGTERM, _leave)


def _one(job: tuple[int, Sequence[str] | None, Path]) -> Outcome:
    seed, names, folder = job
    return run(draw(seed, names), folder)


def _tell(outcome: Outcome, keep: Path, actions: str | None) -> None:
    seconds = outcome.timings["all"]
    parts = ", ".join(f"{name} {value:.1f}" for name, value in outcome.timings.items())
    print(f"seed {outcome.plan.seed}: {'ok' if outcome.ok else 'FAILED'} in {seconds:.1f} s ({parts})")
    print(f"  {outcome.plan}")
    if outcome.verdict is not None and outcome.ok:
        print(f"  {outcome.verdict.report()}")
    for line in outcome.refused:
        print(f"  not done: {line}")
    if not outcome.ok:
        print("  " + outcome.failure.replace("\n", "\n  "))
        print(f"  kept in {keep / f'seed-{outcome.plan.seed}'}")
        again = f" --actions {actions}" if actions else ""
        print(f"  again: python -m harness.chaos --first-seed {outcome.plan.seed}{again}", flush=True)


def _tell_progress(done: int, total: int, failed: int, seconds: float) -> None:
    left = seconds / done * (total - done)
    print(f"[{done}/{total}, {failed} failed, {seconds / 60:.1f} min, {left / 60:.1f} min to go]", flush=True)
