"""The applications' commands: there with their application, and one line of explanation without it."""

import re
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

import cyclopts
import pytest

from bluelake.cli import applications
from bluelake.cli.applications import APPLICATIONS
from bluelake.core.errors import ConfigurationError
from tests.support.paths import ROOT
from tests.support.processes import bluelake

COMMANDS = [command for application in APPLICATIONS for command in application.commands]


def command_line() -> cyclopts.App:
    """The command line as it finds the applications now."""
    app = cyclopts.App(name="bluelake", version_flags=[], result_action="return_value")
    app.command(cyclopts.App(name="views", help="The group that an application adds a command to."))
    applications.register(app)
    return app


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, ModuleSpec | None], None]:
    """Lets a package be found elsewhere than in the checkout, or not at all."""
    real = find_spec

    def elsewhere(name: str, spec: ModuleSpec | None) -> None:
        monkeypatch.setattr(applications, "find_spec", lambda wanted: spec if wanted == name else real(wanted))

    return elsewhere


@pytest.mark.parametrize("application", APPLICATIONS, ids=lambda application: application.name)
def test_the_commands_of_an_application_that_is_not_there_say_what_is_missing(
    application: applications.Application,
    found: Callable[[str, ModuleSpec | None], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    found(application.name, None)
    app = command_line()
    for command in application.commands:
        line = f"{command}: needs the folder {application.name}/ of Bluelake, which is not installed here"
        # Whatever is written after it.
        for arguments in ([], ["--from", "2h", "-x", "file"]):
            with pytest.raises(ConfigurationError, match=re.escape(line)) as caught:
                app([*command.split(), *arguments], exit_on_error=False, print_error=False)
            assert "\n" not in str(caught.value)
            assert caught.value.exit_code == 2
        app([*command.split(), "--help"])
        assert "Not available here" in capsys.readouterr().out
    app(["--help"])
    assert application.commands[0].split()[0] in capsys.readouterr().out


def test_somebody_elses_package_of_that_name_is_not_taken_for_ours(
    tmp_path: Path, found: Callable[[str, ModuleSpec | None], None]
) -> None:
    (tmp_path / "ingest").mkdir()
    (tmp_path / "ingest" / "__init__.py").write_text("raise AssertionError('imported')\n")
    found("ingest", PathFinder.find_spec("ingest", [str(tmp_path)]))
    with pytest.raises(ConfigurationError, match="needs the folder ingest/"):
        command_line()(["ingest"], exit_on_error=False)
    # Nor is a module without a folder.
    (tmp_path / "webapi.py").touch()
    found("webapi", PathFinder.find_spec("webapi", [str(tmp_path)]))
    with pytest.raises(ConfigurationError, match="needs the folder webapi/"):
        command_line()(["web"], exit_on_error=False)


def test_an_application_whose_dependency_is_missing_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_websockets(module: str) -> object:
        raise ModuleNotFoundError("No module named 'websockets'", name="websockets")

    monkeypatch.setattr(applications, "import_module", without_websockets)
    app = command_line()
    with pytest.raises(ConfigurationError, match="ingest: needs the package websockets, which is not installed here"):
        app(["ingest", "--exit-when-idle", "5"], exit_on_error=False)
    app(["--help"])
    assert "needs the package websockets" in " ".join(capsys.readouterr().out.split())


def test_a_dependency_that_a_command_needs_when_it_runs_is_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "websockets.py").write_text("raise ModuleNotFoundError('no', name='websockets')\n")
    paths = f"{tmp_path}:{ROOT}"
    done = bluelake("simulate", BLUELAKE_HOME=str(home), PYTHONPATH=paths)
    assert done.returncode == 2
    assert done.stderr == "bluelake: the package websockets is not installed; requirements/ of a checkout name them\n"


def test_every_command_of_an_application_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    app = command_line()
    for command in COMMANDS:
        app([*command.split(), "-h"])
        told = capsys.readouterr().out
        assert "Usage: bluelake" in told
        assert "Not available here" not in told, command
