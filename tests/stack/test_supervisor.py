"""The supervisor's configuration, as text and as supervisord itself reads it."""

import configparser
import importlib
import shlex
import sys
import warnings
from pathlib import Path

import pytest

from bluelake.core.settings import Settings
from bluelake.stack.supervisor import LONGEST_SOCKET_PATH, bluelake_command, configuration, programs

NAMES = ["ingest", "web", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "announce"]


def parsed(settings: Settings, *, demo: bool = False) -> configparser.RawConfigParser:
    """The configuration of everything, as sections."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    parser.read_string(configuration(settings, programs(settings, demo=demo)))
    return parser


@pytest.mark.parametrize(
    ("embedded", "demo", "names"),
    [
        (False, False, NAMES),
        (True, False, ["redis", *NAMES]),
        (True, True, ["redis", "simulator", *NAMES]),
        (False, True, ["simulator", *NAMES]),
    ],
)
def test_which_processes_there_are(embedded: bool, demo: bool, names: list[str]) -> None:
    assert [program.name for program in programs(Settings(embedded_redis=embedded), demo=demo)] == names


def test_what_others_need_starts_first(lake_settings: Settings) -> None:
    order = [program.priority for program in programs(lake_settings, demo=True)]

    assert order == sorted(order)


def test_every_process_but_the_greeting_is_started_again_and_logged(lake_settings: Settings) -> None:
    parser = parsed(lake_settings, demo=True)

    for program in programs(lake_settings, demo=True):
        section = parser[f"program:{program.name}"]
        assert shlex.split(section["command"]) == list(program.command)
        assert section["autorestart"] == ("false" if program.once else "true")
        assert section["stopwaitsecs"] == str(program.stop_seconds)
        # A process of the process is stopped too.
        assert (section["stopasgroup"], section["killasgroup"]) == ("true", "true")
        log = "/dev/fd/1" if program.once else str(lake_settings.home / "logs" / f"{program.name}.log")
        assert section["stdout_logfile"] == log
        assert section["redirect_stderr"] == "true"
    assert [program.name for program in programs(lake_settings, demo=True) if program.once] == ["announce"]


def test_a_process_that_dies_at_once_is_tried_for_a_long_time(lake_settings: Settings) -> None:
    parser = parsed(lake_settings)

    # After n failed starts it waits n seconds, so that these are weeks.
    assert int(parser["program:web"]["startretries"]) >= 2000


def test_it_runs_in_the_foreground_with_its_files_under_the_home(lake_settings: Settings) -> None:
    section = parsed(lake_settings)["supervisord"]

    assert section["nodaemon"] == "true"
    assert section["pidfile"] == str(lake_settings.home / "run" / "supervisord.pid")
    assert section["childlogdir"] == str(lake_settings.home / "logs")


@pytest.mark.parametrize("excess", [0, 1])
def test_the_socket_is_left_out_where_its_path_would_be_too_long(excess: int) -> None:
    tail = "/run/supervisor.sock"
    home = Path("/" + "x" * (LONGEST_SOCKET_PATH - len(tail) - 1 + excess))

    sections = parsed(Settings(bluelake_home=home)).sections()

    assert ("unix_http_server" in sections) == ("supervisorctl" in sections) == (excess == 0)


@pytest.mark.parametrize("name", ["plain", "100% mine", 'a "quoted" one', "a; comment", "日本"])
def test_supervisord_reads_what_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    home = tmp_path / name
    (home / "run").mkdir(parents=True)
    (home / "logs").mkdir()
    settings = Settings(bluelake_home=home, embedded_redis=True)
    monkeypatch.setattr(sys, "executable", str(home / "python"))
    found = programs(settings, demo=True)
    path = home / "run" / "supervisord.conf"
    path.write_text(configuration(settings, found), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = importlib.import_module("supervisor.options").ServerOptions()
        options.realize(args=["-c", str(path)])

    read = {config.name: config for group in options.process_group_configs for config in group.process_configs}
    assert {name: shlex.split(config.command) for name, config in read.items()} == {
        program.name: list(program.command) for program in found
    }
    assert read["web"].stdout_logfile == str(home / "logs" / "web.log")
    assert read["web"].stopwaitsecs == next(program.stop_seconds for program in found if program.name == "web")
    assert options.pidfile == str(home / "run" / "supervisord.pid")


def test_a_command_runs_in_this_environment() -> None:
    assert bluelake_command("ingest") == (sys.executable, "-m", "bluelake", "ingest")
