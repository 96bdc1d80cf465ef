"""The ingester's command."""

from typing import Annotated

from cyclopts import App, Parameter

from bluelake.core.settings import load_settings

IdleSeconds = Annotated[float | None, Parameter(help="Stop once nothing has come for this many seconds.")]


def ingest(*, exit_when_idle: IdleSeconds = None) -> None:
    """Follow Jetstream into the Redis buffer, in the foreground. SIGTERM flushes what was received."""
    from ingest.main import run

    run(load_settings(), exit_when_idle_seconds=exit_when_idle)


def register(app: App) -> None:
    """Add this command to `app`."""
    app.command(ingest)
