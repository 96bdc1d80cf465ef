"""The settings as the code reads them: the fields, the same values in other units, and the folders under BLUELAKE_HOME."""

import os
from functools import cached_property
from pathlib import Path

from bluelake.core.settings.checks import CheckedFields

_MB = 1_000_000


class Settings(CheckedFields):
    """All settings. Field names are the environment variables in lower case."""

    @property
    def dedupe_margin_us(self) -> int:
        """DEDUPE_MARGIN_SECONDS in microseconds."""
        return _us(self.dedupe_margin_seconds)

    @property
    def rewind_us(self) -> int:
        """REWIND_SECONDS in microseconds."""
        return _us(self.rewind_seconds)

    @property
    def failover_rewind_us(self) -> int:
        """FAILOVER_REWIND_SECONDS in microseconds."""
        return _us(self.failover_rewind_seconds)

    @property
    def future_us(self) -> int:
        """FUTURE_SECONDS in microseconds."""
        return _us(self.future_seconds)

    @property
    def gap_us(self) -> int:
        """GAP_SECONDS in microseconds."""
        return _us(self.gap_seconds)

    @property
    def max_frame_bytes(self) -> int:
        """MAX_FRAME_MB in bytes."""
        return self.max_frame_mb * _MB

    @property
    def buffer_high_water_bytes(self) -> int:
        """BUFFER_HIGH_WATER_MB in bytes."""
        return self.buffer_high_water_mb * _MB

    @property
    def duckdb_memory_bytes(self) -> int:
        """DUCKDB_MEMORY_MB in bytes."""
        return self.duckdb_memory_mb * _MB

    @property
    def maintenance_max_bytes(self) -> float:
        """MAINTENANCE_MAX_MB in bytes."""
        return self.maintenance_max_mb * _MB

    @property
    def seal_delay_us(self) -> int:
        """SEAL_DELAY_MINUTES in microseconds."""
        return _us(self.seal_delay_minutes * 60)

    @property
    def purge_overdue_us(self) -> int:
        """How long after its deletion a row is overdue to be rewritten out of its file, microseconds."""
        return _us((self.purge_days - self.purge_reserve_days) * 86_400)

    @cached_property
    def home(self) -> Path:
        """`BLUELAKE_HOME` as an absolute path."""
        return self.bluelake_home.absolute()

    @property
    def lake_dir(self) -> Path:
        """Root of the Delta tables, a folder a table."""
        return self.home / "lake"

    @property
    def raw_dir(self) -> Path:
        """Drained chunks, kept for `RAW_KEEP_DAYS`."""
        return self.home / "raw"

    @property
    def views_dir(self) -> Path:
        """The SQLMesh build and the published view files."""
        return self.home / "views"

    @property
    def watermark_path(self) -> Path:
        """The file with the flushes that are offered and committed, and the cursors to resume from."""
        return self.home / "watermark.json"

    @property
    def dictionaries_dir(self) -> Path:
        """Compression dictionaries of Jetstream hosts, a file each."""
        return self.home / "dictionaries"

    @property
    def maintenance_dir(self) -> Path:
        """The progress of the maintenance, and the deleted rows that it has still to purge."""
        return self.home / "maintenance"

    @property
    def spill_dir(self) -> Path:
        """A folder for each running process, with DuckDB's spill and other files that end with it."""
        return self.home / "tmp"

    @property
    def secrets_dir(self) -> Path:
        """Generated passwords and keys, readable by their owner only."""
        return self.home / "secrets"

    @cached_property
    def runs_embedded_redis(self) -> bool:
        """Whether `bluelake up` starts a Redis of its own. Decided once: `up` then sets REDIS_URL for all processes."""
        if self.embedded_redis is not None:
            return self.embedded_redis
        return "REDIS_URL" not in os.environ


def _us(seconds: float) -> int:
    return int(seconds * 1e6)
