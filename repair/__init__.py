"""Repair: fetch and store what the lake lacks. The command line, Airflow and the API call the same functions.

Example, in a task of Airflow:

    from repair import backfill_span
    done = backfill_span(load_settings(), start_us, end_us, note=log.warning)
    log.info("%d new rows, %d gaps closed", done.rows_out, len(done.closed))

The names below are the package's public interface. Each is imported on its first use: every `bluelake` command imports this
package to learn its commands, and DuckDB and websockets would slow all of them down.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repair.backfill import backfill_span
    from repair.gaps import close_gaps
    from repair.recorder import NotServedError
    from repair.recordings import Recording, recording_of, recording_of_raw
    from repair.replay import Replayed, replay_file, replay_raw, replay_recording
    from repair.router import Router

__all__ = [
    "NotServedError",
    "Recording",
    "Replayed",
    "Router",
    "backfill_span",
    "close_gaps",
    "recording_of",
    "recording_of_raw",
    "replay_file",
    "replay_raw",
    "replay_recording",
]

_MODULES = {
    "backfill": ("backfill_span",),
    "gaps": ("close_gaps",),
    "recorder": ("NotServedError",),
    "recordings": ("Recording", "recording_of", "recording_of_raw"),
    "replay": ("Replayed", "replay_file", "replay_raw", "replay_recording"),
    "router": ("Router",),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"repair.{module}"), name)
    raise AttributeError(f"module 'repair' has no attribute {name!r}")
