"""The fields of the settings: each one's environment variable, type, unit and default.

`docs/settings.md` describes each one, and a test compares the two.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PUBLIC_JETSTREAM_URLS = (
    "wss://jetstream2.us-east.bsky.network/subscribe",
    "wss://jetstream1.us-east.bsky.network/subscribe",
    "wss://jetstream2.us-west.bsky.network/subscribe",
    "wss://jetstream1.us-west.bsky.network/subscribe",
)
# PURGE_DAYS holds a reserve of so many days, besides the grace of the vacuum. One passes until the daily run rewrites an hour,
# and one until the daily run finds the grace over. Two are for runs that fail, after which `maintain` is a warning.
PURGE_RUNS_DAYS = 4


class Fields(BaseSettings):
    """All fields. Their names are the environment variables in lower case."""

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
    jetstream_dictionary: str = Field(
        "",
        description="File with the compression dictionary of the hosts on /subscribe; unset: the one that a host offers.",
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
        gt=PURGE_RUNS_DAYS,
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
