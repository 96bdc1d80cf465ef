"""`python -m chaos.mutants`: every mutant in a copy of the tree, each against the checks that have to find it."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chaos.mutants import drain, ingest, lake
from chaos.mutants.mutant import Mutant
from chaos.processes import ROOT, bare_environment

MUTANTS: tuple[Mutant, ...] = (*ingest.MUTANTS, *drain.MUTANTS, *lake.MUTANTS)
CHECK_SECONDS = 600.0
PAGE = ROOT / "docs" / "mutants.md"
_BEGIN, _END = "<!-- table: make mutants WRITE=--write -->", "<!-- end of the table -->"
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "data", "__pycache__", ".*_cache", "*.egg-info")


@dataclass(frozen=True)
class Result:
    """What became of a mutant. `caught_by`: the check that failed with it, empty for none."""

    mutant: Mutant
    caught_by: str
    seconds: float


def copy_tree(target: Path) -> None:
    """Copy this tree, without what is no part of it."""
    shutil.copytree(ROOT, target, ignore=_LEFT_OUT, symlinks=True)


def fails(check: str, tree: Path) -> bool:
    """Whether `check` fails in `tree`. One that does not end counts as failed."""
    words = check.split()
    command = [sys.executable, "-m"]
    if words[0] == "chaos":
        command += ["chaos", "--first-seed", words[1], "--actions", words[2], "--keep", str(tree / f"kept-{words[1]}")]
    else:
        command += ["pytest", "-q", "-x", "-p", "no:xdist", *words]
    environment = {**bare_environment(), "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    with (tree / "check.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=tree, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            return process.wait(CHECK_SECONDS) != 0
        except subprocess.TimeoutExpired:
            return True
        finally:
            # A check that was cut off leaves its servers in its own session.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def try_mutant(mutant: Mutant) -> Result:
    """Put `mutant` into a copy and run its checks until one fails. Raises HarnessError where it does not apply."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bluelake-mutant-") as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        mutant.apply(tree)
        caught_by = next((check for check in mutant.checks if fails(check, tree)), "")
    return Result(mutant, caught_by, time.monotonic() - began)


def control(checks: Sequence[str], jobs: int) -> list[str]:
    """The checks that fail although nothing is wrong. Tests run together, and one by one only if some of them fails."""
    tests = [check for check in checks if not check.startswith("chaos ")]
    runs = [check for check in checks if check.startswith("chaos ")]
    with tempfile.TemporaryDirectory(prefix="bluelake-control-") as folder, ThreadPoolExecutor(jobs) as pool:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        suspects = [*runs, *(tests if tests and fails(" ".join(tests), tree) else [])]
        return [
            check
            for check, failed in zip(suspects, pool.map(lambda c: fails(c, tree), suspects), strict=True)
            if failed
        ]


def table(results: Sequence[Result]) -> str:
    """The results as a table for the docs."""
    lines = ["| mutant | what it breaks | file | caught by | seconds |", "|---|---|---|---|---|"]
    for result in results:
        mutant = result.mutant
        caught = f"`{result.caught_by}`" if result.caught_by else "**not caught**"
        lines.append(f"| {mutant.name} | {mutant.breaks} | `{mutant.file}` | {caught} | {result.seconds:.0f} |")
    return "\n".join(lines)


def write_page(results: Sequence[Result]) -> None:
    """Put the table into the docs."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    tail = rest.partition(_END)[2]
    PAGE.write_text(f"{head}{_BEGIN}\n{table(results)}\n{_END}{tail}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what `arguments` ask for. Returns the exit code: 1 if a mutant was not caught, or the control failed."""
    parser = argparse.ArgumentParser(prog="python -m chaos.mutants", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="mutants at the same time (default 1)")
    parser.add_argument("--only", nargs="*", help="names of mutants (default: all)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/mutants.md")
    parser.add_argument(
        "--no-control", action="store_true", help="do not show first that the checks pass without a mutant"
    )
    given = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if given.only is None or mutant.name in given.only]
    results: dict[str, Result] = {}
    with ThreadPoolExecutor(given.jobs) as pool:
        for number, done in enumerate(as_completed([pool.submit(try_mutant, mutant) for mutant in chosen]), 1):
            result = done.result()
            results[result.mutant.name] = result
            said = f"caught by {result.caught_by}" if result.caught_by else "NOT CAUGHT"
            print(f"[{number}/{len(chosen)}] {result.mutant.name}: {said} ({result.seconds:.0f} s)", flush=True)
    ordered = [results[mutant.name] for mutant in chosen]
    used = list(dict.fromkeys(result.caught_by for result in ordered if result.caught_by))
    broken = [] if given.no_control else control(used, given.jobs)
    print(table(ordered))
    missed = [result.mutant.name for result in ordered if not result.caught_by]
    print(f"{len(ordered) - len(missed)} of {len(ordered)} caught; not caught: {', '.join(missed) or 'none'}")
    if not given.no_control:
        passed = len(used) - len(broken)
        print(f"without a mutant {passed} of {len(used)} checks pass; failing: {', '.join(broken) or 'none'}")
    if given.write and not given.no_control and not missed and not broken:
        write_page(ordered)
    return 1 if missed or broken else 0
