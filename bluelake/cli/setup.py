"""The same first steps of every command: its settings, its folder, its log and its progress bar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bluelake.cli.output import progress_bar
from bluelake.core.logs import set_up_logging
from bluelake.core.settings import Settings, load_settings, require_home


def load_for_reading() -> Settings:
    """The settings, for a command that reads. Raises ConfigurationError where there is no BLUELAKE_HOME yet."""
    settings = load_settings()
    require_home(settings, create=False)
    return settings


@contextmanager
def task(name: str, unit: str) -> Iterator[tuple[Settings, Callable[[int, int], None]]]:
    """The settings and the progress function of a task that writes, such as `drain`. Makes BLUELAKE_HOME.

    The function takes (done, total), counted in `unit`. Raises ConfigurationError.
    """
    settings = load_settings()
    require_home(settings, create=True)
    set_up_logging(name, settings.log_level)
    with progress_bar(name, unit) as progress:
        yield settings, progress
