"""Sealed Parquet files: written in the order of the rows that come, with the statistics that the Delta log keeps.

delta-rs spreads rows over its threads and loses their order, and here the order is the point: sorted by (did, rkey), equal
DIDs lie together, a reader finds an author by a file's row groups, and the file is small. So pyarrow writes the files, and
`Store.replace_files` commits them.
"""

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
from pyarrow import parquet

from bluelake.lake.hours import Hour
from bluelake.lake.tables import SEALED_ENCODINGS, Table

ROW_GROUP = 122_880
# Of rows that are very large, fewer make a row group: a reader or writer holds it whole.
ROW_GROUP_BYTES = 128 << 20
BLOOM_FALSE_POSITIVES = 0.01
COMPRESSION_LEVEL = 9
# What a search, a purge or a reader may skip a file or a row group by. Texts would only make the log long.
_STATISTICS = (
    "did",
    "rkey",
    "rev",
    "event_at",
    "created_at",
    "operation",
    "collection",
    "kind",
    "subject_did",
    "reason",
)


@dataclass(frozen=True)
class NewFile:
    """A file that lies in its table's folder and that no commit names yet. `path`: below the table's folder."""

    path: str
    partition: Mapping[str, str]
    rows: int
    size_bytes: int
    statistics: str


def write_hour(
    root: Path, table: Table, hour: Hour, batches: Iterable[pa.RecordBatch], authors: int, rows: int
) -> list[NewFile]:
    """Write the rows of one hour below `root`, the table's folder: a file for each run of equal `user_did`.

    `batches` have the table's columns, and `user_did` last where it is partitioned so, in whose order they come.
    `authors`, `rows`: about how many DIDs and rows there are, for the bloom filter. If it fails, what it wrote is removed.
    """
    written: list[NewFile] = []
    try:
        for user_did, part in groupby(_by_author(table, batches), key=lambda pair: pair[0]):
            partition = hour.partition
            if user_did is not None:
                partition["user_did"] = user_did
            written.append(_write_file(root, table, partition, (batch for _, batch in part), authors, rows))
    except BaseException:
        remove(root, written)
        raise
    return written


def remove(root: Path, files: Iterable[NewFile]) -> None:
    """Remove files that will not be committed; one that stays is removed by a vacuum."""
    for file in files:
        with suppress(OSError):
            (root / file.path).unlink()


def folder_of(partition: Mapping[str, str]) -> str:
    """The folder of a partition. A value that comes from the network is escaped: it names one folder and no path."""
    return "/".join(f"{name}={quote(value, safe='')}" for name, value in partition.items())


def _by_author(table: Table, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str | None, pa.RecordBatch]]:
    """The rows with the `user_did` that they belong to, cut where it changes; None where there is no such partition."""
    columns = list(table.column_names)
    for batch in batches:
        if "user_did" not in table.partition:
            yield None, batch.select(columns)
            continue
        first = 0
        # Sorted by it, so that its values in the order in which they first appear are its runs.
        runs = pa.compute.value_counts(batch["user_did"])
        counts: list[Any] = runs.field("counts").to_pylist()
        for user_did, count in zip(runs.field("values").to_pylist(), counts, strict=True):
            yield user_did, batch.select(columns).slice(first, count)
            first += count


def _write_file(
    root: Path, table: Table, partition: Mapping[str, str], batches: Iterator[pa.RecordBatch], authors: int, rows: int
) -> NewFile:
    path = f"{folder_of(partition)}/sealed-{uuid.uuid4()}.zstd.parquet"
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _writer(target, table, authors, rows) as writer:
            for group in _regroup(batches):
                writer.write_table(group, row_group_size=ROW_GROUP)
        metadata = parquet.read_metadata(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return NewFile(path, partition, metadata.num_rows, os.path.getsize(target), _statistics(metadata))


def _writer(target: Path, table: Table, authors: int, rows: int) -> parquet.ParquetWriter:
    schema = pa.schema([table.schema.field(name) for name in table.column_names])
    encodings = {name: SEALED_ENCODINGS[name] for name in table.column_names if name in SEALED_ENCODINGS}
    groups = -(-rows // ROW_GROUP) or 1
    bloom = {"did": {"ndv": max(authors // groups, 1), "fpp": BLOOM_FALSE_POSITIVES}}
    return parquet.ParquetWriter(
        target,
        schema,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=[name for name in _leaves(schema) if name not in encodings],  # type: ignore[arg-type]
        column_encoding=encodings or None,
        write_statistics=[name for name in table.column_names if name in _STATISTICS],
        bloom_filter_options=bloom if "did" in table.column_names else None,
        store_schema=False,
    )


def _leaves(schema: pa.Schema) -> list[str]:
    """The columns as Parquet names them: a list's values lie one level down."""
    return [f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name for field in schema]


def _regroup(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in tables of a row group's size."""
    waiting: list[pa.RecordBatch] = []
    count = size = 0
    for batch in batches:
        while count + batch.num_rows >= ROW_GROUP:
            head = ROW_GROUP - count
            yield pa.Table.from_batches([*waiting, batch.slice(0, head)])
            batch, waiting, count, size = batch.slice(head), [], 0, 0
        if batch.num_rows:
            waiting.append(batch)
            count += batch.num_rows
            size += batch.nbytes
        if size >= ROW_GROUP_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting, count, size = [], 0, 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def _statistics(metadata: parquet.FileMetaData) -> str:
    """Delta's statistics of a file (https://github.com/delta-io/delta/blob/master/PROTOCOL.md#per-file-statistics)."""
    least: dict[str, Any] = {}
    greatest: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    # Parquet tells no bounds of long values: those of the other row groups are not the file's.
    unknown: set[str] = set()
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            name = chunk.path_in_schema
            found: Any = chunk.statistics
            if name not in _STATISTICS:
                continue
            if found is None or not found.has_null_count:
                unknown.add(name)
                continue
            nulls[name] = nulls.get(name, 0) + found.null_count
            if not found.has_min_max and found.null_count < chunk.num_values:
                unknown.add(name)
            elif found.has_min_max:
                low, high = found.min, found.max
                least[name] = min(least.get(name, low), low)
                greatest[name] = max(greatest.get(name, high), high)
    return json.dumps(
        {
            "numRecords": metadata.num_rows,
            "minValues": {name: _plain(value) for name, value in least.items() if name not in unknown},
            "maxValues": {name: _plain(value) for name, value in greatest.items() if name not in unknown},
            "nullCount": {name: count for name, count in nulls.items() if name not in unknown},
        }
    )


def _plain(value: object) -> object:
    """A value as Delta writes it: times in whole milliseconds, rounded down."""
    if isinstance(value, datetime):
        # isoformat pads a year below 1000; what strftime does with one depends on the C library.
        return f"{value.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    return value
