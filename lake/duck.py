"""DuckDB connections as the lake uses them: UTC, bounded memory, spill under BLUELAKE_HOME, nothing from outside."""

import duckdb

from core.settings import Settings
from lake.relations import all_rows, current_rows
from lake.store import Store
from lake.tables import TABLES


def connect(
    settings: Settings, *, memory_mb: int | None = None, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the lake's limits. `memory_mb`, `threads`: default to the settings."""
    settings.spill_dir.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        config={
            "memory_limit": f"{memory_mb or settings.duckdb_memory_mb}MB",
            "threads": threads or settings.duckdb_threads,
            "temp_directory": str(settings.spill_dir),
            "autoinstall_known_extensions": False,
        }
    )
    # After connect: as a start option the name of the zone is not yet known.
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def create_views(connection: duckdb.DuckDBPyConnection, store: Store, *, margin_us: int) -> None:
    """Define, over the live files of this moment, a view of the current rows and an `_all` view of each table."""
    for name in TABLES:
        connection.execute(f"CREATE OR REPLACE VIEW {name}_all AS SELECT * FROM {all_rows(store, name)}")
        current = current_rows(store, name, margin_us=margin_us)
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {current}")
