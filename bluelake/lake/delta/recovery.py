"""Which table versions are known to be durable, and what a writer does with that before it begins.

The watermark, the newest batches and the lists of sealed hours record them.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bluelake.core.settings import Settings
from bluelake.core.watermark import Watermark, read_watermark, write_watermark
from bluelake.lake.delta.log import entries, metadata_of, version_of
from bluelake.lake.delta.sealed import read_sealed
from bluelake.lake.delta.store import Store
from bluelake.lake.tables import BATCHES


def durable_versions(settings: Settings) -> Callable[[str], int | None]:
    """For a table's name, the version up to which it is known to be durable; None where nothing tells.

    Reads the watermark now, so that a version that becomes durable later is not among them. Raises CorruptStateError.
    """
    versions = read_watermark(settings.watermark_path).versions
    if versions is not None:
        versions = _with_newest_batches(versions, settings.lake_dir / BATCHES.name)

    def durable(name: str) -> int | None:
        if versions is None:
            return None
        folder = settings.lake_dir / name
        sealed = read_sealed(folder).version
        newest = max(map(version_of, entries(folder)), default=-1)
        # A list of sealed hours that is newer than the log was restored with it: it tells nothing.
        return max(versions.get(name, -1), sealed if sealed <= newest else -1)

    return durable


def _with_newest_batches(versions: dict[str, int], batches: Path) -> dict[str, int]:
    """`versions`, and those that the newest commits of `batches` carried. A run that was killed before it wrote the watermark
    relied on these too."""
    known = dict(versions)
    for entry in entries(batches):
        if version_of(entry) > versions.get(BATCHES.name, -1):
            for table, version in _carried(entry).items():
                known[table] = max(known.get(table, -1), version)
    return known


def _carried(entry: Path) -> dict[str, int]:
    """The table versions that a commit of `batches` carried; none where it is broken, or is a seal's."""
    with suppress(ValueError, KeyError, TypeError):
        carried = json.loads(metadata_of(entry)["bluelake"])["versions"]
        return {str(table): int(version) for table, version in carried.items()}
    return {}


def make_ready(settings: Settings, store: Store) -> None:
    """Make the lake one that can be appended to: its logs whole, its tables there. The caller holds the lock `drain`."""
    if not settings.watermark_path.exists() and not (store.root / BATCHES.name / "_delta_log").is_dir():
        # Before any table: a lake without a watermark is one that lost it, and the ingester refuses to guess.
        write_watermark(settings.watermark_path, Watermark(versions={}))
    store.recover(durable_versions(settings))
    store.create_tables()
