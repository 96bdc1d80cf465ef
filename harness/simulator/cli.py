"""The simulator's command line: `python -m harness.simulator`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from cyclopts.exceptions import CycloptsError

from harness.simulator.errors import SimulatorError
from harness.simulator.options import (
    DEFAULT_ACCOUNTS,
    DEFAULT_SEED,
    Accounts,
    Seed,
    SimulatorOptions,
    parse_moment,
)
from harness.simulator.run import generate as write_frames
from harness.simulator.run import run

_EXIT_USAGE = 2
_DEFAULT_START = "2026-07-01T12:00:00Z"
_DEFAULT_FILE_RATE = 967.0  # 58,000 a minute
_DEFAULTS = SimulatorOptions()

app = cyclopts.App(
    name="simulator",
    help="A Jetstream-compatible server with seeded synthetic traffic and a truth ledger.",
    version_flags=[],
    result_action="return_value",
)


@app.default
def simulate(*, options: Annotated[SimulatorOptions, Parameter(name="*")] = _DEFAULTS) -> None:
    """Serve Jetstream's wires with synthetic traffic until SIGTERM or Ctrl-C.

    By default it listens on port 6008, has no history, and its epoch is now.
    """
    run(options)


@app.command
def generate(
    *,
    count: Annotated[int, Parameter(help="Number of frames.")],
    out: Annotated[Path, Parameter(help="File to write, a frame a line.")],
    seed: Seed = DEFAULT_SEED,
    rate: Annotated[float, Parameter(help="Mean events a second.")] = _DEFAULT_FILE_RATE,
    start: Annotated[str, Parameter(help="Time of the first event, UTC.")] = _DEFAULT_START,
    accounts: Accounts = DEFAULT_ACCOUNTS,
    ledger: Annotated[Path | None, Parameter(help="Record the truth here too, a JSON line an event.")] = None,
) -> None:
    """Write frames to a file, to be served with --file."""
    written = write_frames(
        out, count=count, seed=seed, start_us=parse_moment(start), rate=rate, accounts=accounts, ledger=ledger
    )
    print(f"wrote {count} frames, {written} bytes, to {out}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    try:
        app(sys.argv[1:] if arguments is None else list(arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"simulator: {error}; see --help", file=sys.stderr)
        return _EXIT_USAGE
    except SimulatorError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return error.exit_code
    return 0
