"""The commands that the applications bring: found where an application is there, explained where it is not.

The library does not import an application. It knows the names of those that exist, and asks each for its commands when
the command line starts. An image, or the wheel alone, holds only some of them.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from cyclopts import App

from bluelake.core.errors import ConfigurationError


class Commands(Protocol):
    """An application's module of commands."""

    def register(self, app: App) -> None:
        """Add the application's commands to `app`."""
        ...


@dataclass(frozen=True)
class Application:
    """One application: its folder, and the commands in its `commands` module; `views refresh` is one below `views`."""

    name: str
    commands: tuple[str, ...]


APPLICATIONS = (
    Application("ingest", ("ingest",)),
    Application("webapi", ("web",)),
    Application("transforms", ("views refresh",)),
    Application("repair", ("replay", "backfill")),
    Application("harness", ("simulate",)),
)


def register(app: App) -> None:
    """Add the commands of every application to `app`; one that is not there gets commands that say what is missing."""
    for application in APPLICATIONS:
        if _is_there(application.name):
            commands: Commands = import_module(f"{application.name}.commands")
            commands.register(app)
        else:
            for command in application.commands:
                _register_missing(app, application.name, command)


def _is_there(name: str) -> bool:
    try:
        return find_spec(f"{name}.commands") is not None
    except ModuleNotFoundError:
        return False


def _register_missing(app: App, application: str, command: str) -> None:
    *group, name = command.split()

    def missing(*_: str) -> None:
        raise ConfigurationError(
            f"{command}: needs the folder {application}/ of Bluelake, which is not installed here; "
            "run it in a checkout of the project"
        )

    missing.__doc__ = f"Not installed here: it needs the folder {application}/ of a checkout."
    (app[group[0]] if group else app).command(missing, name=name)
