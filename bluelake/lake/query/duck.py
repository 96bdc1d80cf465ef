"""DuckDB connections as the lake uses them: UTC, bounded memory, spill under BLUELAKE_HOME, nothing from outside."""

import logging
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import duckdb

from bluelake.core.scratch import own_folder
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.query.relations import all_rows, current_rows, quote
from bluelake.lake.tables import TABLES

log = logging.getLogger(__name__)


def connect(
    settings: Settings, *, memory_mb: int | None = None, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the lake's limits. `memory_mb`, `threads`: default to the settings."""
    connection = duckdb.connect(
        config={
            "memory_limit": f"{memory_mb or settings.duckdb_memory_mb}MB",
            "threads": threads or settings.duckdb_threads,
            "temp_directory": _spill(settings),
            "autoinstall_known_extensions": False,
        }
    )
    # After connect: as a start option the name of the zone is not yet known.
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _spill(settings: Settings) -> str:
    """Where a connection spills; nowhere, if no folder can be made for it: on a full disk, or a home that may only be read,
    much can be asked nevertheless."""
    try:
        return str(spill_folder(settings))
    except OSError as error:
        log.warning("no folder to spill into, so that what does not fit the memory fails: %s", error)
        return ""


def ensure_spill(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Give a connection that was opened while none could be made a folder to spill into, if one can be made by now."""
    if connection.execute("SELECT current_setting('temp_directory')").fetchone() == ("",):
        with suppress(OSError):
            connection.execute(f"SET temp_directory = {quote(str(spill_folder(settings)))}")


def spill_folder(settings: Settings) -> Path:
    """A folder for one database alone to spill into; DuckDB makes it when it does and removes it when it is closed.

    DuckDB gives its files the same names everywhere and takes no lock: two that share a folder write into each other's.
    """
    return own_folder(settings.spill_dir) / f"duckdb-{token_hex(4)}"


def create_views(connection: duckdb.DuckDBPyConnection, store: Store, *, margin_us: int) -> None:
    """Define, over the live files of this moment, a view of the current rows and an `_all` view of each table."""
    for name in TABLES:
        connection.execute(f"CREATE OR REPLACE VIEW {name}_all AS SELECT * FROM {all_rows(store, name)}")
        current = current_rows(store, name, margin_us=margin_us)
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {current}")
