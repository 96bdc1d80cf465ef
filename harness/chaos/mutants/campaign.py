"""`python -m harness.chaos.mutants`: every mutant in a copy of the tree, each against the checks that have to find it."""

import argparse
import os
import re
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

from harness.chaos.mutants import drain, ingest, lake, text, views
from harness.chaos.mutants.mutant import Mutant
from harness.chaos.processes import ROOT, bare_environment
from harness.errors import HarnessError

MUTANTS: tuple[Mutant, ...] = (*ingest.MUTANTS, *drain.MUTANTS, *lake.MUTANTS, *views.MUTANTS, *text.MUTANTS)
CHECK_SECONDS = 600.0
PAGE = ROOT / "docs" / "mutants.md"
HARNESS_TRIES = 2
_BEGIN, _END = "<!-- table: make mutants WRITE=--write -->", "<!-- end of the table -->"
_HEAD = "| mutant | what it breaks | file | caught by | seconds |\n|---|---|---|---|---|"
_HARNESS_HEAD = "| mutant | `python -m harness.chaos` with | the oracle |\n|---|---|---|"
_HARNESS_BEGIN = "<!-- table of the harness: make mutants WRITE=--write -->"
_COMMAND_FAILED = r"^  ((PipelineError|TruthError|unexpected): |.* although every fault had been taken back$)"
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "data", "__pycache__", ".*_cache", "*.egg-info")


@dataclass(frozen=True)
class Result:
    """What became of a mutant. `caught_by`: the check that failed with it, empty for none. `seen`: the oracle's report of its
    run of the harness, empty for nothing."""

    mutant: Mutant
    caught_by: str
    seconds: float
    seen: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether something that has to find it did not."""
        return not self.caught_by or bool(self.mutant.harness and not self.seen)


def copy_tree(target: Path) -> None:
    """Copy this tree, without what is no part of it. The shared inputs of tests lie beside it as they do here."""
    shutil.copytree(ROOT, target, ignore=_LEFT_OUT, symlinks=True)
    shared = ROOT.parent / "shared"
    if shared.exists():
        (target.parent / "shared").symlink_to(shared)


def fails(check: str, tree: Path) -> bool:
    """Whether `check` fails in `tree`. A test that does not end counts as failed.

    Raises HarnessError where it cannot be run: a defect after which nothing can be imported shows nothing.
    """
    words = check.split()
    if words[0] == "chaos":
        return bool(told_by_harness(" ".join(words[1:]), tree))
    code, printed = _run(["pytest", "-q", "-x", "-p", "no:xdist", *words], tree)
    if code not in (None, 0, 1):
        raise HarnessError(f"{check}: ended with {code}, which says nothing of the mutant: {printed[-500:]}")
    return code != 0


def told_by_harness(run: str, tree: Path) -> str:
    """What a run of the harness in `tree` told against it; empty if all was well. `run`: a seed and its actions.

    Raises HarnessError where it is the harness that failed, or was too slow: that says nothing of a mutant.
    """
    seed, actions = run.split()
    kept = tempfile.mkdtemp(prefix="kept-", dir=tree)
    code, printed = _run(["harness.chaos", "--first-seed", seed, "--actions", actions, "--keep", kept], tree)
    if code == 0:
        return ""
    if told := differences_in(printed):
        return told
    raise HarnessError(f"chaos {run}: ended with {code}, which says nothing of the mutant: {printed[-500:]}")


def _run(words: Sequence[str], tree: Path) -> tuple[int | None, str]:
    """Run a module in `tree`. Returns its exit code, None if it did not end, and all that it printed."""
    environment = {**bare_environment(), "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    code: int | None = None
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-m", *words]
        process = subprocess.Popen(command, cwd=tree, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            code = process.wait(CHECK_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # A check that was cut off leaves its servers in its own session.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        return code, log.read().decode(errors="replace")


def differences_in(log: str) -> str:
    """What a run of the harness printed against the pipeline: the oracle's differences, without their rows, or that a command
    failed which nothing excuses; empty where it told neither."""
    told = re.findall(r"^  (\d+ [a-z]+) \(", log, re.MULTILINE)
    if not told and re.search(_COMMAND_FAILED, log, re.MULTILINE):
        told = ["a command failed"]
    return ", ".join(told)


def see(mutant: Mutant, tree: Path) -> str:
    """What the oracle says of the mutant's run of the harness, empty for nothing in `HARNESS_TRIES` tries.

    How far a process is when something happens to it depends on the machine.
    """
    for number in range(HARNESS_TRIES if mutant.harness else 0):
        if told := told_by_harness(mutant.harness, tree):
            return told
        print(f"{mutant.name}: the harness saw nothing in its run {number + 1}", flush=True)
    return ""


def try_mutant(mutant: Mutant) -> Result:
    """Put `mutant` into a copy and run its checks until one fails. Raises HarnessError where it does not apply."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bluelake-mutant-") as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        mutant.apply(tree)
        caught_by = next((check for check in mutant.checks if fails(check, tree)), "")
        seconds = time.monotonic() - began
        return Result(mutant, caught_by, seconds, see(mutant, tree))


def control(checks: Sequence[str], jobs: int) -> list[str]:
    """The checks that fail although nothing is wrong. Tests run together, and one by one only if some of them fails."""
    tests = [check for check in checks if not check.startswith("chaos ")]
    runs = [check for check in checks if check.startswith("chaos ")]
    with tempfile.TemporaryDirectory(prefix="bluelake-control-") as folder, ThreadPoolExecutor(jobs) as pool:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        # As often as a mutant is tried: a run that fails now and then without one would show nothing.
        suspects = [*runs * HARNESS_TRIES, *(tests if tests and _fails_or_cannot_run(" ".join(tests), tree) else [])]
        found = pool.map(lambda check: _fails_or_cannot_run(check, tree), suspects)
        return [check for check, failed in zip(suspects, found, strict=True) if failed]


def _fails_or_cannot_run(check: str, tree: Path) -> bool:
    try:
        return fails(check, tree)
    except HarnessError as error:
        print(error, flush=True)
        return True


def table(results: Sequence[Result]) -> str:
    """The results as a table for the docs."""
    return "\n".join([_HEAD, *map(row, results)])


def row(result: Result) -> str:
    """What became of one mutant, as a row of the table."""
    mutant = result.mutant
    caught = f"`{result.caught_by}`" if result.caught_by else "**not caught**"
    return f"| {mutant.name} | {mutant.breaks} | `{mutant.file}` | {caught} | {result.seconds:.0f} |"


def harness_table(results: Sequence[Result]) -> str:
    """What the oracle reported of those that a run of the harness has to see, as a table for the docs."""
    return "\n".join([_HARNESS_HEAD, *(harness_row(result) for result in results if result.mutant.harness)])


def harness_row(result: Result) -> str:
    """What the oracle reported of one mutant, as a row of the table."""
    seed, actions = result.mutant.harness.split()
    return f"| {result.mutant.name} | `--first-seed {seed} --actions {actions}` | {result.seen or '**nothing**'} |"


def write_page(results: Sequence[Result]) -> None:
    """Put the results into the docs; the rows of mutants that were not tried stay as they are."""
    page = PAGE.read_text(encoding="utf-8")
    harness = [result for result in results if result.mutant.harness]
    for begin, head, rows, names in (
        (_BEGIN, _HEAD, {result.mutant.name: row(result) for result in results}, [m.name for m in MUTANTS]),
        (
            _HARNESS_BEGIN,
            _HARNESS_HEAD,
            {result.mutant.name: harness_row(result) for result in harness},
            [m.name for m in MUTANTS if m.harness],
        ),
    ):
        before, _, rest = page.partition(begin)
        old, _, after = rest.partition(_END)
        rows = {line.split("|")[1].strip(): line for line in old.splitlines() if line.startswith("| ")} | rows
        lines = "\n".join([head, *(rows[name] for name in names if name in rows)])
        page = f"{before}{begin}\n{lines}\n{_END}{after}"
    PAGE.write_text(page, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what `arguments` ask for. Returns the exit code: 1 if a mutant was not caught or could not be tried, or the control
    failed."""
    parser = argparse.ArgumentParser(prog="python -m harness.chaos.mutants", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="mutants at the same time (default 1)")
    parser.add_argument("--only", nargs="*", help="names of mutants (default: all)")
    parser.add_argument("--file", default="", help="only mutants of files whose path begins so: ingest/")
    parser.add_argument("--write", action="store_true", help="put what was tried into docs/mutants.md")
    parser.add_argument(
        "--no-control", action="store_true", help="do not show first that the checks pass without a mutant"
    )
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.only or ()) - {mutant.name for mutant in MUTANTS}):
        parser.error(f"no such mutant: {', '.join(unknown)}; docs/mutants.md lists them")
    chosen = [
        mutant
        for mutant in MUTANTS
        if (given.only is None or mutant.name in given.only) and mutant.file.startswith(given.file)
    ]
    if not chosen:
        parser.error(f"--file {given.file}: no mutant is in such a file; docs/mutants.md lists them")
    results: dict[str, Result] = {}
    with ThreadPoolExecutor(given.jobs) as pool:
        for number, done in enumerate(as_completed([pool.submit(try_mutant, mutant) for mutant in chosen]), 1):
            try:
                result = done.result()
            except HarnessError as error:
                print(f"[{number}/{len(chosen)}] cannot be tried: {error}", flush=True)
                continue
            results[result.mutant.name] = result
            printed = f"caught by {result.caught_by}" if result.caught_by else "NOT CAUGHT"
            if result.mutant.harness:
                printed += f"; the harness: {result.seen or 'NOTHING'}"
            print(f"[{number}/{len(chosen)}] {result.mutant.name}: {printed} ({result.seconds:.0f} s)", flush=True)
    ordered = [results[mutant.name] for mutant in chosen if mutant.name in results]
    untried = [mutant.name for mutant in chosen if mutant.name not in results]
    runs = [f"chaos {result.mutant.harness}" for result in ordered if result.seen]
    used = list(dict.fromkeys([*(result.caught_by for result in ordered if result.caught_by), *runs]))
    broken = [] if given.no_control else control(used, given.jobs)
    print(table(ordered))
    print(harness_table(ordered))
    missed = [result.mutant.name for result in ordered if result.is_missed]
    print(f"{len(ordered) - len(missed)} of {len(chosen)} caught; not caught: {', '.join(missed) or 'none'}")
    print(f"could not be tried: {', '.join(untried) or 'none'}")
    if not given.no_control:
        print(
            f"without a mutant {len(used) - len(set(broken))} of {len(used)} checks pass; failing: {', '.join(broken) or 'none'}"
        )
    if given.write and not given.no_control and not missed and not broken:
        write_page(ordered)
    return 1 if missed or untried or broken else 0
