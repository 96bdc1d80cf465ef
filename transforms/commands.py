"""The command of the cached views' builder."""

from cyclopts import App

from bluelake.cli.output import progress_bar, say
from bluelake.core import clock
from bluelake.core.settings import load_settings, require_home


def refresh_views() -> None:
    """Build the cached views from the lake and publish them."""
    from bluelake.core.logs import set_up_logging
    from transforms.refresh import refresh

    settings = load_settings()
    require_home(settings, create=True)
    set_up_logging("views", settings.log_level)
    with progress_bar("views", "intervals") as progress:
        result = refresh(settings, now=clock.now(), progress=lambda done, total, view: progress(done, total))
    left = f"; {result.waiting} stale days wait for the next refresh" if result.waiting else ""
    say(f"Published {len(result.views)} views as version {result.version} in {result.seconds:.1f} s{left}.")


def register(app: App) -> None:
    """Add this command to the group `views` of `app`."""
    app["views"].command(refresh_views, name="refresh")
