"""Commands that run processes: all of them, or one in the foreground."""

from typing import Annotated, Literal

from cyclopts import App, Parameter

from bluelake.cli.output import say
from bluelake.core.settings import load_settings

AirflowProcess = Literal["api-server", "scheduler", "dag-processor"]


def up(
    *, demo: Annotated[bool, Parameter(negative="", help="Feed it from the simulator, without a network.")] = False
) -> None:
    """Run everything on this machine, and restart processes that die. Ctrl-C stops them all."""
    from bluelake.stack.up import up as run

    run(load_settings(), say, demo=demo)


def redis() -> None:
    """Run the embedded Redis in the foreground, on the port of REDIS_URL."""
    from bluelake.stack.redis_server import exec_server

    exec_server(load_settings())


def airflow(process: AirflowProcess) -> None:
    """Run one of Airflow's processes in the foreground."""
    from bluelake.stack.airflow_env import run_process

    if code := run_process(load_settings(), process):
        raise SystemExit(code)


def announce() -> None:
    """Wait until everything answers, then print the addresses."""
    from bluelake.stack.announce import announce as run

    run(load_settings(), say)


def register(app: App) -> None:
    """Add these commands to `app`."""
    for command in (up, redis, airflow, announce):
        app.command(command)
