"""The supervisor of all processes: its configuration and its start.

`bluelake up` replaces itself by supervisord. So one Ctrl-C, or one SIGTERM, reaches one process that stops all others.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from bluelake.core.settings import Settings

# A path of a Unix socket must fit in 108 bytes.
LONGEST_SOCKET_PATH = 100
# supervisord waits one second longer after each failed start. This many starts last for months.
START_RETRIES = 10_000


@dataclass(frozen=True)
class Program:
    """One process. `stop_seconds`: its time to stop. `once`: it ends by itself, and prints to the terminal."""

    name: str
    command: tuple[str, ...]
    priority: int
    stop_seconds: int = 20
    once: bool = False


def bluelake_command(*arguments: str) -> tuple[str, ...]:
    """The command line of `bluelake` with `arguments`, in this Python environment."""
    return (sys.executable, "-m", "bluelake", *arguments)


def programs(settings: Settings, *, demo: bool) -> list[Program]:
    """The processes of `make up`, or of `make demo`, in the order in which they start."""
    found = []
    if settings.runs_embedded_redis:
        found.append(Program("redis", bluelake_command("redis"), 10))
    if demo:
        found.append(Program("simulator", bluelake_command("simulate"), 20))
    found += [
        Program("ingest", bluelake_command("ingest"), 30, stop_seconds=30),
        Program("web", bluelake_command("web"), 40),
        Program("airflow-api-server", bluelake_command("airflow", "api-server"), 50, stop_seconds=40),
        Program("airflow-scheduler", bluelake_command("airflow", "scheduler"), 60, stop_seconds=40),
        Program("airflow-dag-processor", bluelake_command("airflow", "dag-processor"), 60, stop_seconds=40),
        Program("announce", bluelake_command("announce"), 90, once=True),
    ]
    return found


def configuration(settings: Settings, found: list[Program]) -> str:
    """The text of supervisord's configuration file."""
    run, logs = settings.home / "run", settings.home / "logs"
    sections = [
        _section(
            "supervisord",
            nodaemon="true",
            silent="true",
            user="root" if os.geteuid() == 0 else None,
            logfile=_escape(logs / "supervisord.log"),
            pidfile=_escape(run / "supervisord.pid"),
            childlogdir=_escape(logs),
            minfds="1024",
        )
    ]
    socket = run / "supervisor.sock"
    if len(str(socket)) <= LONGEST_SOCKET_PATH:
        sections += [
            _section("unix_http_server", file=_escape(socket), chmod="0700"),
            _section("supervisorctl", serverurl=f"unix://{_escape(socket)}"),
            _section(
                "rpcinterface:supervisor",
                **{"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
            ),
        ]
    sections += [_program(program, logs) for program in found]
    return "\n".join(sections)


def _program(program: Program, logs: Path) -> str:
    # supervisord expands only this option twice.
    output = "/dev/fd/1" if program.once else _escape(_escape(logs / f"{program.name}.log"))
    return _section(
        f"program:{program.name}",
        command=" ".join(_escape(_quoted(word)) for word in program.command),
        priority=str(program.priority),
        autorestart="false" if program.once else "true",
        startsecs="0" if program.once else "3",
        startretries=str(START_RETRIES),
        stopwaitsecs=str(program.stop_seconds),
        stopasgroup="true",
        killasgroup="true",
        redirect_stderr="true",
        stdout_logfile=output,
        stdout_logfile_maxbytes="0" if program.once else "10MB",
        stdout_logfile_backups="0" if program.once else "3",
    )


def _section(name: str, **options: str | None) -> str:
    lines = [f"{option} = {value}" for option, value in options.items() if value is not None]
    return f"[{name}]\n" + "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '\\"') + '"'


def _escape(value: object) -> str:
    """`value` as supervisord reads it: it expands `%`."""
    return str(value).replace("%", "%%")


def exec_supervisor(settings: Settings, found: list[Program]) -> None:
    """Become the supervisor of `found`, in the foreground. Does not return."""
    path = settings.home / "run" / "supervisord.conf"
    for folder in (path.parent, settings.home / "logs"):
        folder.mkdir(exist_ok=True)
    path.write_text(configuration(settings, found), encoding="utf-8")
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(path)]
    sys.stdout.flush()
    os.execv(command[0], command)
