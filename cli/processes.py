"""Commands that run processes: all of them, or one in the foreground."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from cli.output import say
from core.settings import load_settings

AirflowProcess = Literal["api-server", "scheduler", "dag-processor"]
IdleSeconds = Annotated[float | None, Parameter(help="Stop once nothing has come for this many seconds.")]


def up(
    *, demo: Annotated[bool, Parameter(negative="", help="Feed it from the simulator, without a network.")] = False
) -> None:
    """Run everything on this machine, and start again what dies. Ctrl-C stops it all."""
    from stack.up import up as run

    run(load_settings(), say, demo=demo)


def redis() -> None:
    """Run the embedded Redis in the foreground, on the port of REDIS_URL."""
    from stack.redis_server import exec_server

    exec_server(load_settings())


def ingest(*, exit_when_idle: IdleSeconds = None) -> None:
    """Follow Jetstream into the Redis buffer, in the foreground. SIGTERM flushes what was received."""
    from ingest.main import run

    run(load_settings(), exit_when_idle_seconds=exit_when_idle)


def web() -> None:
    """Run the web server in the foreground: search, export, views, admin."""
    from webapi.server import run

    run(load_settings())


def airflow(process: AirflowProcess) -> None:
    """Run one of Airflow's processes in the foreground."""
    from stack.airflow_env import run_process

    if code := run_process(load_settings(), process):
        raise SystemExit(code)


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
    from stack.demo import simulate as run

    run(
        load_settings(),
        port=port,
        rate=rate,
        history=history,
        history_rate=history_rate,
        seed=seed,
        file=file,
        ledger=ledger,
        hosts=hosts,
        clock_offsets=clock_offsets,
        retention=retention,
        sync_share=sync_share,
        hard_cases=hard_cases,
        faults=faults,
    )


def announce() -> None:
    """Wait until everything answers, then print the addresses."""
    from stack.announce import announce as run

    run(load_settings(), say)


def register(app: App) -> None:
    """Add these commands to `app`."""
    for command in (up, redis, ingest, web, airflow, simulate, announce):
        app.command(command)
