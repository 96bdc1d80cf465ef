"""The check that a port is free, before a process that needs it starts."""

import errno
import socket

from bluelake.core.errors import ConfigurationError


def require_free_port(setting: str, host: str, port: int) -> None:
    """Raise ConfigurationError, with the name of `setting`, if `port` of `host` cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is taken" if error.errno == errno.EADDRINUSE else (error.strerror or "cannot be bound")
            another = (
                f"REDIS_URL=redis://{host}:{port + 1}/0 and EMBEDDED_REDIS=true" if setting == "REDIS_URL" else setting
            )
            raise ConfigurationError(
                f"{setting}: port {port} of {host} {reason}; stop what uses it, or choose another by {another}"
            ) from None
