"""Every setting of every process, once: its environment variable, type, unit and default.

`docs/settings.md` describes each one and a test compares the two. Read settings with `load_settings()`, which
turns a bad value into a `ConfigurationError` of one line.
"""

import os
import re
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bluelake.core import clock
from bluelake.core.clock import to_datetime, to_us
from bluelake.core.errors import ConfigurationError
from bluelake.core.urls import shown

PUBLIC_JETSTREAM_URLS = (
    "wss://jetstream2.us-east.bsky.network/subscribe",
    "wss://jetstream1.us-east.bsky.network/subscribe",
    "wss://jetstream2.us-west.bsky.network/subscribe",
    "wss://jetstream1.us-west.bsky.network/subscribe",
)
# Characters that delta-rs reads as escapes or patterns.
UNUSABLE_IN_PATHS = frozenset("%[]*")
_DURATION = re.compile(r"(\d+)\s*([smhd])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# Of PURGE_DAYS so many are a reserve, besides the grace of the vacuum: a day until the daily run that rewrites an hour, one until
# the daily run that finds the grace over, and two for runs that fail, after which `maintain` is a warning.
_PURGE_RUNS_DAYS = 4
# A drained chunk outlives RAW_KEEP_DAYS by the day that it was drained on, and by one until the daily run that removes it.
_RAW_RUNS_DAYS = 2
# Below this a number cannot be a time in microseconds (2001-09-09); it is a sequence number.
_FIRST_TIME_US = 10**15
_MB = 1_000_000


class Settings(BaseSettings):
    """All settings. Field names are the environment variables in lower case."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=False, allow_inf_nan=False)

    bluelake_home: Path = Field(Path("data"), description="Folder of all state.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="The Redis that buffers events.")
    embedded_redis: bool | None = Field(
        None,
        description="Whether `bluelake up` runs a Redis of its own on REDIS_URL's port; "
        "unset: only if REDIS_URL is unset.",
    )
    redis_max_memory_mb: int = Field(1024, ge=16, description="Memory limit of the embedded Redis, MB.")
    buffer_high_water_mb: int = Field(
        800, ge=1, description="Compressed bytes in the buffer, MB, above which the ingester stops reading."
    )

    jetstream_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        PUBLIC_JETSTREAM_URLS, description="Jetstream hosts, taken in turn; comma-separated ws:// or wss:// URLs."
    )
    jetstream_wire: Literal["auto", "v1", "v2"] = Field(
        "auto", description="The wire that the hosts speak; auto: by the URL's path, and without one it is found out."
    )
    jetstream_compress: bool = Field(
        False,
        description="Whether frames are asked for compressed, where the host offers a dictionary: a tenth of the traffic for "
        "nearly 2 more microseconds of CPU an event.",
    )
    jetstream_start: str = Field(
        "1h",
        description="Where the very first run starts: a duration back (1h), a time (RFC 3339), "
        "microseconds since 1970, or `now`.",
    )
    rewind_seconds: float = Field(
        10, ge=0, le=3600, description="How far a resume goes back behind its cursor, seconds."
    )
    failover_rewind_seconds: float = Field(
        120, ge=0, le=3600, description="How far a switch to another host goes back behind the newest cursor, seconds."
    )
    host_silent_seconds: float = Field(
        60, gt=0, description="A host that sends nothing for so long is left for the next one, seconds."
    )
    host_slow_share: float = Field(
        0.3, ge=0, lt=1, description="A host that serves less than this share of the usual rate is left; 0: never."
    )
    host_slow_seconds: float = Field(
        120, gt=0, description="Time over which a host's rate is compared with the usual one, seconds."
    )
    bluelake_hosts_compared: int = Field(
        1, ge=1, le=8, description="Hosts that are read at once; what any of them serves is taken."
    )
    gap_seconds: float = Field(
        60, gt=0, description="A first frame later than its cursor by more than this is a gap, seconds."
    )
    future_seconds: float = Field(
        600, ge=0, description="A frame whose time is further ahead of this machine's clock is rejected, seconds."
    )
    max_frame_mb: int = Field(16, ge=1, description="Largest frame that is accepted, MB.")
    flush_seconds: float = Field(1.0, gt=0, le=60, description="Longest time between two flushes, seconds.")
    flush_events: int = Field(
        512, ge=1, le=100_000, description="Events of the busiest queue that cause a flush; also a chunk's size."
    )
    ingest_metrics_host: str = Field("127.0.0.1", description="Address that the ingester's /metrics binds.")
    ingest_metrics_port: int = Field(9101, ge=0, le=65535, description="Port of the ingester's /metrics; 0: none.")

    drain_max_events: int = Field(
        500_000, ge=1, description="Most events that one commit takes; a longer backlog is drained in several."
    )
    reject_alert_ratio: float = Field(
        0.01, ge=0, le=1, description="Share of a batch's events above which rejects raise an alert; nothing stops."
    )
    drain_schedule: str = Field("*/5 * * * *", description="Cron expression of the DAG drain_buffer, UTC.")
    refresh_schedule: str = Field("20 0 * * *", description="Cron expression of the DAG refresh_views, UTC.")
    views_withdrawn_days: float = Field(
        30,
        ge=0,
        description="How far back a refresh computes every day again of which something was deleted, edited or hidden, "
        "days; older days only where they show it.",
    )
    dedupe_margin_seconds: float = Field(
        900,
        ge=0,
        description="How far apart two hosts' times of one event may lie to be recognised as one, seconds.",
    )
    raw_keep_days: float = Field(2, ge=0, description="Age after which drained chunks under raw/ are removed, days.")
    bluelake_deletions: Literal["purge", "keep"] = Field(
        "purge",
        description="Whether deleted records leave the files, or are only hidden (for those who may keep them).",
    )
    seal_schedule: str = Field("10 * * * *", description="Cron expression of the DAG seal_hours, UTC.")
    seal_delay_minutes: float = Field(
        30,
        ge=0,
        description="How long after its end an hour is left open for late events before it is sealed, minutes.",
    )
    heavy_author_posts: int = Field(
        1000, ge=1, description="Posts in one hour above which an author gets a file of their own when it is sealed."
    )
    maintain_schedule: str = Field("40 1 * * *", description="Cron expression of the DAG maintain_lake, UTC.")
    maintenance_max_mb: float = Field(
        4096, ge=0, description="Sealed files that one maintenance rewrites to purge deleted records, MB."
    )
    heavy_max_minutes: float = Field(
        15,
        ge=0,
        description="Minutes after which a seal, the purge of a maintenance, or a refresh leaves the rest to the next run.",
    )
    purge_days: float = Field(
        30,
        gt=_PURGE_RUNS_DAYS,
        description="Days within which a deleted record has left the files; VACUUM_GRACE_HOURS and the last four are a reserve.",
    )
    vacuum_grace_hours: int = Field(
        24,
        ge=1,
        le=144,
        description="How long files that were replaced stay for whoever is reading them, hours; "
        "longer than the longest export or query.",
    )
    duckdb_memory_mb: int = Field(2048, ge=128, description="Memory limit of a heavy task's DuckDB, MB.")
    duckdb_threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, description="Threads of a DuckDB connection; default: cores."
    )

    web_host: str = Field("127.0.0.1", description="Address that the web server binds.")
    web_port: int = Field(8000, ge=1, le=65535, description="Port of the REST API and the admin.")
    web_workers: int = Field(2, ge=1, le=64, description="gunicorn worker processes.")
    web_duckdb_memory_mb: int = Field(512, ge=64, description="Memory limit of one web worker's DuckDB, MB.")
    web_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.1", "localhost", "[::1]"), description="Host names that the web server answers to; comma-separated."
    )
    cors_allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        ("*",), description="Origins whose pages may read the API; comma-separated, `*` for all."
    )
    database_url: str = Field(
        "", description="Database of Django's users and sessions; unset: SQLite under BLUELAKE_HOME."
    )
    max_rows_flag: bool = Field(
        True, description="Caps search and export at 1,000 rows; off: only `total` is capped, at 10,000."
    )
    admin_password: str = Field(
        "", description="Password of the user `admin`; unset: generated into BLUELAKE_HOME/secrets/."
    )

    simulator_port: int = Field(9102, ge=1, le=65535, description="Port of the demo's simulator on 127.0.0.1.")
    airflow_port: int = Field(8080, ge=1, le=65535, description="Port of the Airflow UI on 127.0.0.1.")

    @field_validator("jetstream_urls", "web_allowed_hosts", "cors_allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("bluelake_home", mode="before")
    @classmethod
    def _home(cls, value: object) -> object:
        if not str(value).strip():
            raise ValueError("is empty; name a folder")
        try:
            return Path(str(value)).expanduser()
        except RuntimeError:
            raise ValueError("is below the home of a user who is not here; name a folder") from None

    @field_validator("jetstream_urls")
    @classmethod
    def _websocket_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        if not urls:
            raise ValueError("names no host; give at least one ws:// or wss:// URL")
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in ("ws", "wss") or not parts.hostname or not _has_usable_port(parts):
                raise ValueError(f"{url!r} is not a websocket URL; use ws://HOST[:PORT]/subscribe or wss://…")
        return urls

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss") or not _has_usable_port(parts):
            raise ValueError(f"{url!r} is not a Redis URL; use redis://HOST:PORT/DB")
        return url

    @field_validator("log_level")
    @classmethod
    def _log_level(cls, level: str) -> str:
        if level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError(f"{level!r} is not one of DEBUG, INFO, WARNING, ERROR")
        return level.upper()

    @field_validator("drain_schedule", "refresh_schedule", "seal_schedule", "maintain_schedule")
    @classmethod
    def _cron(cls, expression: str) -> str:
        if len(expression.split()) != 5:
            raise ValueError(f"{expression!r} is not a cron expression of five fields, such as */5 * * * *")
        return expression

    @field_validator("jetstream_start")
    @classmethod
    def _start(cls, start: str) -> str:
        parse_start(start, clock.now())
        return start

    @model_validator(mode="after")
    def _purged_in_time(self) -> Self:
        if self.bluelake_deletions == "keep":
            return self
        purge, reserve, most = self.purge_days, self.purge_reserve_days, self.purge_days - _RAW_RUNS_DAYS
        if purge <= reserve:
            raise ValueError(
                f"PURGE_DAYS={purge:g}: with VACUUM_GRACE_HOURS={self.vacuum_grace_hours} it takes up to {reserve:g} days until "
                "a deleted record has left the files; raise PURGE_DAYS above that, or lower VACUUM_GRACE_HOURS"
            )
        if self.raw_keep_days > most:
            raise ValueError(
                f"RAW_KEEP_DAYS={self.raw_keep_days:g}: raw/ would hold deleted records for longer than "
                f"PURGE_DAYS={purge:g}; set RAW_KEEP_DAYS to at most {most:g}, raise PURGE_DAYS, or set "
                "BLUELAKE_DELETIONS=keep if you may keep what is deleted"
            )
        return self

    @property
    def purge_reserve_days(self) -> float:
        """How long before PURGE_DAYS are over a deleted row is overdue to be rewritten out of its file, days."""
        return self.vacuum_grace_hours / 24 + _PURGE_RUNS_DAYS

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
        """What has been offered and committed, and the cursors to resume from."""
        return self.home / "watermark.json"

    @property
    def dictionaries_dir(self) -> Path:
        """Compression dictionaries of Jetstream hosts, a file each."""
        return self.home / "dictionaries"

    @property
    def maintenance_dir(self) -> Path:
        """What the maintenance has looked at, and the deleted rows that it has to purge yet."""
        return self.home / "maintenance"

    @property
    def spill_dir(self) -> Path:
        """A folder for each process that runs: DuckDB's spill, and other files that go with the process."""
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


def parse_start(start: str, now: datetime) -> int:
    """Microseconds since 1970 that a `JETSTREAM_START` means at the moment `now`.

    Raises ValueError with the forms that are accepted.
    """
    text = start.strip()
    if text == "now":
        return to_us(now)
    try:
        if duration := _DURATION.fullmatch(text):
            return to_us(now - timedelta(seconds=int(duration[1]) * _UNIT_SECONDS[duration[2]]))
        if text.isdecimal() and int(text) >= _FIRST_TIME_US:
            return to_us(to_datetime(int(text)))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{start!r} is neither a duration (1h, 2d), `now`, an RFC 3339 time nor microseconds since 1970"
        ) from None
    return to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _us(seconds: float) -> int:
    return int(seconds * 1e6)


def _has_usable_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def load_settings() -> Settings:
    """The settings of this process, from its environment.

    Raises ConfigurationError, in one line, at the first setting that is not what it takes.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        # What is wrong about several together names them itself.
        told = f"{str(first['loc'][0]).upper()}={first['input']}: {message}" if first["loc"] else message
        line = " ".join(f"{told} (docs/settings.md)".splitlines())
        raise ConfigurationError(shown(line)) from None


def require_home(settings: Settings, *, create: bool) -> Path:
    """`BLUELAKE_HOME`, checked to be a folder that this process can write.

    With `create` a missing folder is made, though not its parents: a mistyped path should not grow a second lake.
    Raises ConfigurationError.
    """
    home = settings.home
    if unusable := sorted(set(str(home)) & UNUSABLE_IN_PATHS):
        raise ConfigurationError(
            f"BLUELAKE_HOME={home}: Delta tables cannot lie under a path with {' '.join(unusable)}; name another folder"
        )
    try:
        if create and not home.exists():
            home.mkdir()
        if not home.is_dir():
            raise ConfigurationError(
                f"BLUELAKE_HOME={home}: no such folder; start Bluelake there first (bluelake up), or name another"
            )
        # Processes of two containers may have the same number.
        probe = home / f".writable-{os.getpid()}-{token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        if not os.path.isdir(home.parent):
            raise ConfigurationError(
                f"BLUELAKE_HOME={home}: {home.parent} does not exist; create it, or name another"
            ) from None
        raise ConfigurationError(
            f"BLUELAKE_HOME={home}: cannot be written ({error.strerror}); change its owner or name another"
        ) from None
    return home
