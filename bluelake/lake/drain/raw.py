"""Drained chunks as files, so that a parser's mistake can be undone: `raw/<day>/<queue>-<first>-<last>-<F>.ndjson.zst`.

`day` is the UTC day on which they were drained, `first` and `last` the least and greatest event time in microseconds since
1970, F the last flush in it. Each is a plain .zst file: `zstdcat` shows the frames byte for byte.
"""

import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bluelake.buffer.client import Entry
from bluelake.core.crash import crash_point
from bluelake.core.files import fsync_path, write_durably


def keep_raw(raw_dir: Path, queue: str, entries: Sequence[Entry], now: datetime) -> None:
    """Write the chunks of `entries`, all of one queue, to a file, durably. Raises OSError."""
    day = raw_dir / now.astimezone(UTC).strftime("%Y-%m-%d")
    if not day.is_dir():
        day.mkdir(parents=True, exist_ok=True)
        # Their names have to be durable too.
        fsync_path(raw_dir)
        fsync_path(raw_dir.parent)
    first = min(entry.chunk.first_us for entry in entries)
    last = max(entry.chunk.last_us for entry in entries)
    name = f"{queue}-{first}-{last}-{entries[-1].flush}.ndjson.zst"
    write_durably(day / name, b"".join(entry.chunk.z for entry in entries))
    crash_point("after-raw-file")


def remove_old_raw(raw_dir: Path, keep_days: float, now: datetime) -> list[str]:
    """Remove the days that ended more than `keep_days` ago. Returns their names."""
    if not raw_dir.is_dir():
        return []
    removed = []
    for folder in sorted(raw_dir.iterdir()):
        try:
            end = datetime.combine(date.fromisoformat(folder.name), datetime.min.time(), UTC) + timedelta(days=1)
        except ValueError:
            continue
        if now - end > timedelta(days=keep_days):
            shutil.rmtree(folder)
            removed.append(folder.name)
    return removed
