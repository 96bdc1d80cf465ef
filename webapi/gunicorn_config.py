"""gunicorn's hooks; its other settings come from webapi/server.py."""

import logging
import threading
from typing import Any

from prometheus_client import multiprocess

from bluelake.core.errors import BluelakeError
from bluelake.core.logs import set_up_logging

log = logging.getLogger(__name__)


def post_worker_init(worker: Any) -> None:
    """Set up the log in the new worker, and open the lake, so that the first search does not wait for it."""
    from webapi.lake_access import lake_access

    access = lake_access()
    set_up_logging("web", access.settings.log_level)
    # The answer names the fault of a request. The log keeps no requests.
    logging.getLogger("django.request").setLevel(logging.ERROR)

    def warm_up() -> None:
        try:
            access.searcher.warm_up()
        except BluelakeError as error:
            log.warning("%s", error)

    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()


def child_exit(server: Any, worker: Any) -> None:
    """Keep the metrics of a worker that ended."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
