"""The values that a setting takes, and the settings that contradict each other."""

from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, urlsplit

from pydantic import field_validator, model_validator

from bluelake.core import clock
from bluelake.core.settings.fields import PURGE_RUNS_DAYS, Fields
from bluelake.core.settings.start import parse_start

# A drained chunk outlives RAW_KEEP_DAYS by the day that it was drained on, and by one until the daily run that removes it.
_RAW_RUNS_DAYS = 2


class CheckedFields(Fields):
    """The fields, each checked as it is read, then all of them together."""

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
        return self.vacuum_grace_hours / 24 + PURGE_RUNS_DAYS


def _has_usable_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False
