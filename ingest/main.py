"""The ingester as a process: signals, metrics, exit."""

import asyncio
import signal

from prometheus_client import CollectorRegistry, start_http_server

from bluelake.buffer.client import Buffer
from bluelake.core.errors import ConfigurationError
from bluelake.core.logs import set_up_logging
from bluelake.core.metrics import INGEST_METRICS, Metrics
from bluelake.core.settings import Settings, require_home
from ingest.ingester import Ingester


def run(settings: Settings, *, exit_when_idle_seconds: float | None = None) -> None:
    """Run the ingester in the foreground until SIGTERM or SIGINT, then flush all that was received.

    Raises ConfigurationError where BLUELAKE_HOME or the metrics port cannot be used.
    """
    require_home(settings, create=True)
    set_up_logging("ingest", settings.log_level)
    metrics = Metrics(INGEST_METRICS, CollectorRegistry())
    _serve_metrics(settings.ingest_metrics_host, settings.ingest_metrics_port, metrics)
    asyncio.run(_run(settings, metrics, exit_when_idle_seconds))


def _serve_metrics(host: str, port: int, metrics: Metrics) -> None:
    if port == 0:
        return
    try:
        start_http_server(port, addr=host, registry=metrics.registry)
    except OSError as error:
        raise ConfigurationError(
            f"INGEST_METRICS_PORT={port}: {error.strerror}; stop what uses it, or name another port (0: none)"
        ) from None


async def _run(settings: Settings, metrics: Metrics, exit_when_idle_seconds: float | None) -> None:
    buffer = Buffer(settings.redis_url)
    ingester = Ingester(settings, buffer, metrics)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ingester.stop)
    try:
        await ingester.run(exit_when_idle_seconds)
    finally:
        buffer.close()
