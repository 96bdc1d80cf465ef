"""The live files of a table: listed once, and from then on kept by what new log entries add and remove.

To list them takes as long as the lake is large, and every commit makes a new version.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable

from bluelake.core.clock import to_us
from bluelake.lake.delta.log import actions_of
from bluelake.lake.errors import CorruptLogError
from bluelake.lake.hours import Hour
from bluelake.lake.tables import HOUR_PARTITION

# Delta keeps statistics of timestamps in whole milliseconds, rounded down.
STATISTICS_STEP_US = 1000
_BOUNDED = ("operation", "collection")
_FILE_FACTS = frozenset(
    [
        "path",
        "size_bytes",
        "num_records",
        "modification_time",
        "min.event_at",
        "max.event_at",
        *(f"partition.{name}" for name in (*HOUR_PARTITION, "user_did")),
        *(f"{bound}.{name}" for name in _BOUNDED for bound in ("min", "max")),
    ]
)


@dataclass(frozen=True)
class DataFile:
    """One live Parquet file of a snapshot.

    `hour`: the UTC hour that it belongs to. `first_us`, `last_us`: bounds of its rows' `event_at`,
    microseconds since 1970, inclusive. `added_us`: when it was written, by this machine's clock. `greatest`, `least`: the
    greatest and the least `operation` and `collection` in it, None where the table has no such column. `partition`: the
    values of the table's partition.
    """

    path: str
    hour: Hour
    rows: int
    size_bytes: int
    first_us: int
    last_us: int
    added_us: int
    greatest: Mapping[str, object]
    least: Mapping[str, object] = field(default_factory=dict)
    partition: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Live:
    """The live files of a table at `version`: in no particular order, and by their path."""

    version: int
    files: tuple[DataFile, ...]
    by_path: Mapping[str, DataFile]


def live_files(table: DeltaTable, root: Path, before: Live | None) -> Live:
    """The live files of `table`, whose folder is `root`. `before`: those of an earlier version, which saves listing all.

    Raises CorruptLogError where a file was not written by Bluelake.
    """
    version = table.version()
    if before is not None and before.version == version:
        return before
    followed = _follow(before, version, root) if before is not None and before.version < version else None
    by_path = _list_all(table, root) if followed is None else followed
    return Live(version, tuple(by_path.values()), by_path)


def _follow(before: Live, version: int, root: Path) -> dict[str, DataFile] | None:
    """The live files of `version` by what the log entries since `before` say; None where one is missing, as after a vacuum."""
    by_path = dict(before.by_path)
    for number in range(before.version + 1, version + 1):
        try:
            for action in actions_of(root / "_delta_log" / f"{number:020d}.json"):
                if "add" in action:
                    file = _data_file(_flat(action["add"]), root)
                    by_path[file.path] = file
                elif "remove" in action:
                    by_path.pop(_path(root, action["remove"]["path"]), None)
        except (FileNotFoundError, ValueError, KeyError):
            return None
    return by_path


def _flat(add: Mapping[str, Any]) -> dict[str, object]:
    """An `add` action of a log entry, as delta-rs lists one."""
    statistics = json.loads(add["stats"])
    least, greatest = statistics["minValues"], statistics["maxValues"]
    bounds = {"min": least, "max": greatest}
    return {
        "path": add["path"],
        "size_bytes": add["size"],
        "num_records": statistics["numRecords"],
        "modification_time": add["modificationTime"],
        **{f"partition.{name}": value for name, value in add["partitionValues"].items()},
        **{f"{bound}.{name}": values.get(name) for bound, values in bounds.items() for name in _BOUNDED},
        **{f"{bound}.event_at": _moment(values.get("event_at")) for bound, values in bounds.items()},
    }


def _list_all(table: DeltaTable, root: Path) -> dict[str, DataFile]:
    actions = pa.table(table.get_add_actions(flatten=True))
    known = [name for name in actions.column_names if name in _FILE_FACTS]
    files = [_data_file(action, root) for action in actions.select(known).to_pylist()]
    return {file.path: file for file in files}


def _data_file(action: Mapping[str, object], root: Path) -> DataFile:
    partition = {
        name.removeprefix("partition."): str(value) for name, value in action.items() if name.startswith("partition.")
    }
    try:
        hour = Hour.from_partition(partition)
    except (KeyError, ValueError):
        raise CorruptLogError(f"a data file's partition is {partition!r}: it was not written by Bluelake") from None
    return DataFile(
        path=_path(root, str(action["path"])),
        hour=hour,
        rows=int(str(action["num_records"])),
        size_bytes=int(str(action["size_bytes"])),
        first_us=_microseconds(action["min.event_at"]),
        last_us=_microseconds(action["max.event_at"]) + STATISTICS_STEP_US,
        added_us=int(str(action["modification_time"])) * 1000,
        greatest={name: action.get(f"max.{name}") for name in _BOUNDED},
        least={name: action.get(f"min.{name}") for name in _BOUNDED},
        partition=partition,
    )


def _path(root: Path, path: str) -> str:
    """Where a file lies, by its path in the log."""
    return str(root / unquote(path))


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _microseconds(moment: object) -> int:
    if not isinstance(moment, datetime):
        raise CorruptLogError(f"a data file's statistics say {moment!r} of event_at: it was not written by Bluelake")
    return to_us(moment)
