"""The simulator's command line: `python -m harness.simulator`, and what the project's own command builds on."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from cyclopts.exceptions import CycloptsError

from harness.simulator import options as defaults
from harness.simulator.errors import SimulatorError
from harness.simulator.options import SimulatorOptions, parse_duration, parse_moment, parse_offsets
from harness.simulator.run import generate as write_frames
from harness.simulator.run import run

_EXIT_USAGE = 2
_DEFAULT_START = "2026-07-01T12:00:00Z"
_DEFAULT_FILE_RATE = 967.0  # 58,000 a minute

app = cyclopts.App(
    name="simulator",
    help="A Jetstream-compatible server with seeded synthetic traffic and a truth ledger.",
    version_flags=[],
    result_action="return_value",
)

Seed = Annotated[int, Parameter(help="What everything is drawn from.")]
Accounts = Annotated[int, Parameter(help="Size of the synthetic population.")]


@app.default
def simulate(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = defaults.DEFAULT_HOST,
    port: Annotated[int, Parameter(help="Port to listen on; 0 lets the system choose.")] = defaults.DEFAULT_PORT,
    rate: Annotated[
        float | None, Parameter(help="Mean live events a second, 0 for none. Default: 50, with --file 0.")
    ] = None,
    history: Annotated[str, Parameter(help="How far history reaches back from the epoch: 2d, 36h, 90s.")] = "0",
    history_rate: Annotated[
        float, Parameter(help="Mean events a second in the history.")
    ] = defaults.DEFAULT_HISTORY_RATE,
    live: Annotated[
        str | None, Parameter(help="How long events go on after the epoch: 90s. Default: for ever.")
    ] = None,
    seed: Seed = defaults.DEFAULT_SEED,
    accounts: Accounts = defaults.DEFAULT_ACCOUNTS,
    epoch: Annotated[
        str | None,
        Parameter(help="When history ends and live begins; give the same again to continue a timeline. Default: now."),
    ] = None,
    file: Annotated[Path | None, Parameter(help="Serve this file's lines as the history, byte for byte.")] = None,
    ledger: Annotated[Path | None, Parameter(help="Record the truth here, a JSON line an event.")] = None,
    pregenerate: Annotated[bool, Parameter(negative="", help="Listen only once the history is complete.")] = False,
    keep_mb: Annotated[
        int, Parameter(help="Compressed megabytes of timeline that stay replayable, in the temporary folder.")
    ] = defaults.DEFAULT_KEEP_MB,
    hosts: Annotated[int, Parameter(help="How many Jetstream hosts serve the timeline, on consecutive ports.")] = 1,
    clock_offsets: Annotated[
        str, Parameter(help="Seconds by which each host's clock is off: 0,2.5,-3.", allow_leading_hyphen=True)
    ] = "",
    retention: Annotated[str | None, Parameter(help="How far back the hosts replay: 36h, 90s. Default: all.")] = None,
    sync_share: Annotated[
        float, Parameter(help="Share of the events that reset a repository, as 0.0002; only v2 serves them.")
    ] = 0.0,
    hard_cases: Annotated[
        float, Parameter(help="Share of the events that begin a hard case, such as an edit that is taken back.")
    ] = 0.0,
    faults: Annotated[bool, Parameter(negative="", help="Let /control/NAME make a host misbehave.")] = False,
) -> None:
    """Serve Jetstream's wires with synthetic traffic until SIGTERM or Ctrl-C."""
    run(
        SimulatorOptions(
            host=host,
            port=port,
            rate=rate,
            history=parse_duration(history),
            history_rate=history_rate,
            live=parse_duration(live) if live is not None else None,
            seed=seed,
            accounts=accounts,
            epoch_us=parse_moment(epoch) if epoch is not None else None,
            file=file,
            ledger=ledger,
            pregenerate=pregenerate,
            keep_mb=keep_mb,
            hosts=hosts,
            clock_offsets=parse_offsets(clock_offsets),
            retention=parse_duration(retention) if retention is not None else None,
            sync_share=sync_share,
            hard_cases=hard_cases,
            faults=faults,
        )
    )


@app.command
def generate(
    *,
    count: Annotated[int, Parameter(help="Number of frames.")],
    out: Annotated[Path, Parameter(help="File to write, a frame a line.")],
    seed: Seed = defaults.DEFAULT_SEED,
    rate: Annotated[float, Parameter(help="Mean events a second.")] = _DEFAULT_FILE_RATE,
    start: Annotated[str, Parameter(help="Time of the first event, UTC.")] = _DEFAULT_START,
    accounts: Accounts = defaults.DEFAULT_ACCOUNTS,
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
