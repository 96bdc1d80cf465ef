"""`bluelake up`: check the ports and the folder, prepare Airflow's database, then become the supervisor."""

import os
from collections.abc import Callable

from bluelake.core.errors import ConfigurationError
from bluelake.core.secrets import admin_password
from bluelake.core.settings import Settings, require_home
from bluelake.stack.airflow_env import prepare_database, require_airflow_files
from bluelake.stack.demo import history_start_us
from bluelake.stack.ports import require_free_port
from bluelake.stack.redis_server import server_address
from bluelake.stack.supervisor import exec_supervisor, programs

Say = Callable[[str], None]


def up(settings: Settings, say: Say, *, demo: bool) -> None:
    """Run everything in the foreground. Does not return. Raises ConfigurationError before it starts any process."""
    require_airflow_files()
    home = require_home(settings, create=True)
    _check_source(settings, demo=demo)
    _check_ports(settings, demo=demo)
    # All processes read the same environment. EMBEDDED_REDIS depends on an unset REDIS_URL, so it is decided first.
    os.environ["EMBEDDED_REDIS"] = str(settings.runs_embedded_redis).lower()
    os.environ["BLUELAKE_HOME"] = str(home)
    os.environ["REDIS_URL"] = settings.redis_url
    if demo:
        os.environ.update(demo_environment(settings))
    # The files of the processes hold sessions, password hashes and keys.
    os.umask(0o077)
    admin_password(settings)
    say("Preparing Airflow's database (some 20 seconds the first time)")
    prepare_database(settings)
    found = programs(settings, demo=demo)
    say(f"Starting {', '.join(program.name for program in found if not program.once)}; Ctrl-C stops all")
    exec_supervisor(settings, found)


def demo_environment(settings: Settings) -> dict[str, str]:
    """The variables of the demo that are unset: the simulator as the only host, and a drain every minute."""
    defaults = {
        "JETSTREAM_URLS": f"ws://127.0.0.1:{settings.simulator_port}/subscribe",
        "JETSTREAM_START": str(history_start_us(settings)),
        "DRAIN_SCHEDULE": "* * * * *",
    }
    return {name: value for name, value in defaults.items() if name not in os.environ}


def _check_source(settings: Settings, *, demo: bool) -> None:
    """Raise ConfigurationError for a lake of the other source: synthetic and real events must not mix."""
    marker = settings.home / "source"
    source = "simulator" if demo else "jetstream"
    if marker.exists() and (held := marker.read_text().strip()) != source:
        raise ConfigurationError(
            f"BLUELAKE_HOME={settings.home}: holds data of the {held}, not of the {source}; "
            "name another folder by BLUELAKE_HOME, or move this one away"
        )
    marker.write_text(source + "\n")


def _check_ports(settings: Settings, *, demo: bool) -> None:
    require_free_port("WEB_PORT", settings.web_host, settings.web_port)
    require_free_port("AIRFLOW_PORT", "127.0.0.1", settings.airflow_port)
    if settings.ingest_metrics_port:
        require_free_port("INGEST_METRICS_PORT", "127.0.0.1", settings.ingest_metrics_port)
    if settings.runs_embedded_redis:
        require_free_port("REDIS_URL", *server_address(settings))
    if demo:
        require_free_port("SIMULATOR_PORT", "127.0.0.1", settings.simulator_port)
