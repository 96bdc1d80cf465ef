"""The commands of the applications: found where an application is there, explained where it is not.

The library imports no application by name. It knows which ones exist, and asks the `commands` module of each to add its
commands when the command line starts. An image, or the wheel alone, holds only some applications. A command of another
one says in one line what is missing.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Annotated, Protocol, cast

from cyclopts import App, Parameter

from bluelake.core.errors import ConfigurationError


class Commands(Protocol):
    """An application's `commands` module."""

    def register(self, app: App) -> None:
        """Add the application's commands to `app`."""
        ...


@dataclass(frozen=True)
class Application:
    """One application: its folder, and the commands that it brings. `views refresh` is a command of the group `views`."""

    name: str
    commands: tuple[str, ...]


APPLICATIONS = (
    Application("ingest", ("ingest",)),
    Application("webapi", ("web",)),
    Application("transforms", ("views refresh",)),
    Application("repair", ("replay", "backfill")),
    Application("harness", ("simulate",)),
)

# A command that cannot run takes whatever is written after it, so that its one line is the only one.
_Ignored = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]


class _MissingError(ConfigurationError):
    """An application, or a package that it needs, is not installed."""


def register(app: App) -> None:
    """Add the commands of every application to `app`. Where one cannot be had, its commands say why, with exit code 2."""
    for application in APPLICATIONS:
        try:
            _commands_of(application.name).register(app)
        except _MissingError as error:
            for command in application.commands:
                _register_missing(app, command, str(error))


def _commands_of(name: str) -> Commands:
    """The `commands` module of an application. Raises _MissingError."""
    module = f"{name}.commands"
    absent = _MissingError(
        f"needs the folder {name}/ of Bluelake, which is not installed here; run it in a checkout of the project"
    )
    # A package of somebody else can have the same name. So look for our module in it before importing anything.
    package = find_spec(name)
    if package is None or PathFinder.find_spec(module, package.submodule_search_locations or []) is None:
        raise absent
    try:
        commands = import_module(module)
    except ModuleNotFoundError as error:
        raise _MissingError(f"needs the package {error.name}, which is not installed here; see requirements/") from None
    if not hasattr(commands, "register"):
        raise absent
    return cast(Commands, commands)


def _register_missing(app: App, command: str, reason: str) -> None:
    *group, name = command.split()

    def missing(*_: _Ignored) -> None:
        raise ConfigurationError(f"{command}: {reason}")

    (app[group[0]] if group else app).command(missing, name=name, help=f"Not available here: {reason}.")
