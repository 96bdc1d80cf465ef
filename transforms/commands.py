"""The command of the cached views' builder."""

from cyclopts import App

from bluelake.cli.output import say
from bluelake.cli.setup import task
from bluelake.core import clock


def refresh_views() -> None:
    """Build the cached views from the lake and publish them."""
    from transforms.refresh import refresh

    with task("views", "intervals") as (settings, progress):
        result = refresh(settings, now=clock.now(), progress=lambda done, total, view: progress(done, total))
    left = f"; {result.waiting} stale days wait for the next refresh" if result.waiting else ""
    say(f"Published {len(result.views)} views as version {result.version} in {result.seconds:.1f} s{left}.")


def register(app: App) -> None:
    """Add this command to the group `views` of `app`."""
    app["views"].command(refresh_views, name="refresh")
