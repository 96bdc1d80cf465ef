"""Which hours are sealed: the files that a seal wrote, by hour, in `lake/<table>/_sealed.json`.

An hour is sealed while its live files are exactly those. So a late row reopens it, and no data is read to know. If the file is
lost, the hours are sealed again. It also records the table's version: what a seal relies on is durable.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bluelake.core.files import write_durably
from bluelake.lake.delta.store import DataFile, Store
from bluelake.lake.hours import Hour

log = logging.getLogger(__name__)

# Delta's readers and its vacuum pass over names that begin with an underscore.
_NAME = "_sealed.json"


@dataclass
class Sealed:
    """`version`: that of the table that the last seal made; it is durable. `hours`: the paths, below the table, of each."""

    version: int = -1
    hours: dict[Hour, tuple[str, ...]] = field(default_factory=dict)


def read_sealed(table: Path) -> Sealed:
    """What is sealed of the table at `table`; nothing where the file is missing or broken."""
    try:
        state = json.loads((table / _NAME).read_bytes())
        hours = {Hour.parse(label): tuple(map(str, paths)) for label, paths in state["hours"].items()}
        return Sealed(int(state["version"]), hours)
    except FileNotFoundError:
        return Sealed()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s: not a list of sealed hours (%s): they are sealed again", table / _NAME, error)
        return Sealed()


def write_sealed(table: Path, sealed: Sealed) -> None:
    """Replace what is sealed of the table at `table`, durably."""
    state = {"version": sealed.version, "hours": {hour.label: paths for hour, paths in sorted(sealed.hours.items())}}
    write_durably(table / _NAME, json.dumps(state, indent=0).encode() + b"\n")


def by_hour(store: Store, name: str) -> Mapping[Hour, list[DataFile]]:
    """The live files of table `name` by their hour."""
    hours = defaultdict(list)
    for file in store.files(name):
        hours[file.hour].append(file)
    return hours


def is_sealed(store: Store, name: str, sealed: Sealed, hour: Hour, files: list[DataFile]) -> bool:
    """Whether `files`, the live ones of `hour`, are exactly those that a seal wrote."""
    written = _written(store, name, sealed, hour)
    return written == {file.path for file in files}


def _written(store: Store, name: str, sealed: Sealed, hour: Hour) -> set[str]:
    """The paths of the files that a seal wrote for `hour`."""
    return {str(store.root / name / path) for path in sealed.hours.get(hour, ())}


def open_hours(store: Store, name: str, before_us: int) -> dict[Hour, int]:
    """The hours of table `name` that ended before `before_us` and are not sealed.

    With each, when the first file came that no seal has written, microseconds since 1970.
    """
    sealed = read_sealed(store.root / name)
    return {
        hour: _came_us(store, name, sealed, hour, files)
        for hour, files in by_hour(store, name).items()
        if hour.end_us <= before_us and not is_sealed(store, name, sealed, hour, files)
    }


def _came_us(store: Store, name: str, sealed: Sealed, hour: Hour, files: list[DataFile]) -> int:
    written = _written(store, name, sealed, hour)
    # Where all that is left of an hour was sealed, all of it is to be sealed again.
    return min(file.added_us for file in [file for file in files if file.path not in written] or files)
