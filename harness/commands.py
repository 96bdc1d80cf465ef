"""The simulator as a command of Bluelake: one timeline a BLUELAKE_HOME, continued at every start."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from bluelake.core.errors import BluelakeError
from bluelake.core.settings import load_settings
from bluelake.stack.demo import HISTORY_DAYS, epoch_us
from harness.simulator.errors import SimulatorError
from harness.simulator.options import SimulatorOptions, parse_duration, parse_offsets
from harness.simulator.run import run


def simulate(
    *,
    port: Annotated[int | None, Parameter(help="Port to listen on; default SIMULATOR_PORT, 0: any.")] = None,
    rate: Annotated[
        float | None, Parameter(help="Mean live events a second, 0 for none. Default: 50, with --file 0.")
    ] = None,
    history: Annotated[
        str | None, Parameter(help="How far history reaches back: 2d, 36h, 90s, 0. Default: 2d, with --file 0.")
    ] = None,
    history_rate: Annotated[float, Parameter(help="Mean events a second in the history.")] = 5.0,
    seed: Annotated[int, Parameter(help="What everything is drawn from.")] = 1,
    file: Annotated[Path | None, Parameter(help="Serve this file's lines as the history, byte for byte.")] = None,
    ledger: Annotated[
        Path | None, Parameter(help="Record the truth here; default BLUELAKE_HOME/simulator/ledger.jsonl.")
    ] = None,
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
    """Serve Jetstream's wires with synthetic traffic, in the foreground. A second start continues its timeline."""
    settings = load_settings()
    epoch = epoch_us(settings)
    try:
        run(
            SimulatorOptions(
                port=settings.simulator_port if port is None else port,
                rate=rate,
                history=parse_duration(history or ("0" if file is not None else f"{HISTORY_DAYS}d")),
                history_rate=history_rate,
                seed=seed,
                epoch_us=epoch,
                file=file,
                ledger=ledger or settings.home / "simulator" / "ledger.jsonl",
                hosts=hosts,
                clock_offsets=parse_offsets(clock_offsets),
                retention=parse_duration(retention) if retention is not None else None,
                sync_share=sync_share,
                hard_cases=hard_cases,
                faults=faults,
            )
        )
    except SimulatorError as error:
        translated = BluelakeError(str(error))
        translated.exit_code = error.exit_code
        raise translated from error


def register(app: App) -> None:
    """Add this command to `app`."""
    app.command(simulate)
