"""The web server's command."""

from cyclopts import App

from bluelake.core.settings import load_settings


def web() -> None:
    """Run the web server in the foreground: search, export, views, admin."""
    from webapi.server import run

    run(load_settings())


def register(app: App) -> None:
    """Add this command to `app`."""
    app.command(web)
