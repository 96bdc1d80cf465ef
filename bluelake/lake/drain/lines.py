"""The frames of a queue's entries as one Arrow column, without a Python object a frame."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bluelake.buffer.chunks import decode_into, decoded_size
from bluelake.buffer.client import Entry
from bluelake.buffer.errors import BufferCorruptError

LINE_FEED = 0x0A
# Small enough that every DuckDB thread finds batches to work on.
BATCH_ROWS = 8192
# While a thread parses a batch, DuckDB holds it about seven times over: of very large frames, one holds few.
BATCH_BYTES = 8 << 20


@dataclass(frozen=True)
class Lines:
    """Frames of one queue in the order in which they came.

    `table`: columns `ordinal` (int64, from 0) and `line` (large_string), without the frames that are not UTF-8, whose
    ordinals are in `not_utf8`. `size_bytes`: of all frames, line feeds included.
    """

    table: pa.Table
    count: int
    size_bytes: int
    not_utf8: tuple[int, ...]
    _data: memoryview
    _offsets: np.ndarray
    _starts: np.ndarray
    _entries: Sequence[Entry]

    def raw(self, ordinal: int) -> bytes:
        """The bytes of one frame, without its line feed."""
        return bytes(self._data[int(self._offsets[ordinal]) : int(self._offsets[ordinal + 1]) - 1])

    def entry(self, ordinal: int) -> Entry:
        """The entry that brought one frame."""
        return self._entries[int(np.searchsorted(self._starts, ordinal, side="right")) - 1]

    def first_after(self, flush: int) -> int:
        """The ordinal of the first frame that a flush after `flush` brought; `count` where there is none."""
        for entry, start in zip(self._entries, self._starts, strict=True):
            if entry.flush > flush:
                return int(start)
        return self.count


def read_lines(entries: Sequence[Entry], threads: int) -> Lines:
    """Decompress `entries`, in flush order, and find their lines. Raises BufferCorruptError."""
    counts = np.array([entry.chunk.n for entry in entries], dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)
    memory = _decompress([entry.chunk.z for entry in entries], threads)
    data = memory.data
    ends = np.flatnonzero(memory == LINE_FEED).astype(np.int64, copy=False)
    if len(ends) != counts.sum():
        raise BufferCorruptError(f"chunks announce {counts.sum()} events and hold {len(ends)}; see docs/operations.md")
    offsets = np.concatenate(([0], ends + 1))
    column = pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets.data), pa.py_buffer(memory.data))
    # From a buffer: handing pyarrow a numpy array makes it import pandas, which takes longer than a small drain.
    ordinals = pa.Array.from_buffers(
        pa.int64(), len(ends), [None, pa.py_buffer(np.arange(len(ends), dtype=np.int64).data)]
    )
    table = pa.table({"ordinal": ordinals, "line": column})
    bad = _not_utf8(column, data, offsets)
    if bad:
        excluded = set(bad)
        table = table.filter(pa.array([ordinal not in excluded for ordinal in range(len(ends))]))
    return Lines(in_batches(table), len(ends), len(data), bad, data, offsets, starts, entries)


def in_batches(table: pa.Table) -> pa.Table:
    """The same rows in batches that DuckDB parses one at a time, none of more than BATCH_ROWS or, but for one frame,
    BATCH_BYTES."""
    batches = [part for batch in table.to_batches(max_chunksize=BATCH_ROWS) for part in _cut(batch)]
    return pa.Table.from_batches(batches, table.schema)


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """`batch` in halves, and halves of those, until each holds at most BATCH_BYTES or one frame."""
    if batch.nbytes <= BATCH_BYTES or batch.num_rows <= 1:
        yield batch
        return
    middle = batch.num_rows // 2
    yield from _cut(batch.slice(0, middle))
    yield from _cut(batch.slice(middle))


def _decompress(chunks: Sequence[bytes], threads: int) -> np.ndarray:
    """All chunks, one behind the other, in one piece of memory that is written once."""
    ends = np.cumsum([decoded_size(z) for z in chunks])
    memory = np.empty(int(ends[-1]), dtype=np.uint8)
    view = memory.data
    with ThreadPoolExecutor(max_workers=threads) as pool:
        targets = (view[int(end) - decoded_size(z) : int(end)] for z, end in zip(chunks, ends, strict=True))
        list(pool.map(decode_into, chunks, targets))
    return memory


def _not_utf8(column: pa.StringArray | pa.LargeStringArray, data: memoryview, offsets: np.ndarray) -> tuple[int, ...]:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return tuple(
            ordinal
            for ordinal in range(len(column))
            if not _is_utf8(data[int(offsets[ordinal]) : int(offsets[ordinal + 1])])
        )
    return ()


def _is_utf8(line: memoryview) -> bool:
    try:
        str(line, "utf-8")
    except UnicodeDecodeError:
        return False
    return True
