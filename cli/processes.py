"""Commands that run processes: all of them, or one in the foreground."""

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
    from stack.airflow_env import exec_process

    exec_process(load_settings(), process)


def announce() -> None:
    """Wait until everything answers, then print the addresses."""
    from stack.announce import announce as run

    run(load_settings(), say)


def register(app: App) -> None:
    """Add these commands to `app`."""
    for command in (up, redis, ingest, web, airflow, announce):
        app.command(command)
