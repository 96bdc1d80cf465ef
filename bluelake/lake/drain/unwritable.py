"""Rows that cannot be written for a reason in their data: found by halving, so that the batch around them goes on.

Whether some rows can be written is tried on a scratch table of the same schema under BLUELAKE_HOME/tmp. A cause that is not in
the data (a full disk, no memory) fails there for any row, also for one that is known to be good; then no row is at fault.
Nor is one where a stored file that the rows are compared with is broken: those are read first, by themselves.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex

import duckdb
import pyarrow as pa

from bluelake.core.clock import EPOCH, to_us
from bluelake.core.scratch import own_folder
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.drain.dedupe import read_stored, select_new
from bluelake.lake.drain.parser import Parsed
from bluelake.lake.errors import RefusedError
from bluelake.lake.hours import Hour
from bluelake.lake.tables import Table

# What DuckDB, Arrow, delta-rs and the standard library raise about values. ValueError has Arrow's own among it.
DATA_ERRORS = (
    duckdb.DataError,
    duckdb.InvalidInputException,
    pa.ArrowException,
    OverflowError,
    ValueError,
    RefusedError,
)
# What such an error says where the cause is outside the data after all: delta-rs has one class for both.
_ENVIRONMENT = ("No space left", "os error", "Quota exceeded", "quota exceeded")


def find_unwritable(
    connection: duckdb.DuckDBPyConnection, settings: Settings, store: Store, parsed: Parsed, margin_us: int
) -> list[int]:
    """The ordinals of those rows of `parsed` that cannot be written; none where the cause is not in the data.

    Raises what is no matter of data, such as OSError, or DuckDB's error about a stored file that cannot be read.
    """
    read_stored(connection, store, parsed, margin_us)
    found = connection.execute(
        f"SELECT ordinal FROM {parsed.relation} WHERE reject_reason IS NULL ORDER BY ordinal"
    ).fetchall()
    ordinals = [int(ordinal) for (ordinal,) in found]
    with _scratch(settings) as scratch:
        version = 1
        scratch.append(parsed.table, _plain_row(parsed.table), version, {})

        def is_writable(first: int, last: int) -> bool:
            nonlocal version
            version += 1
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE probed AS SELECT * FROM {parsed.relation} WHERE ordinal BETWEEN ? AND ?",
                [first, last],
            )
            try:
                selected = select_new(connection, store, Parsed(parsed.table, "probed", [], Counter()), margin_us)
                if selected.rows.num_rows:
                    scratch.append(parsed.table, selected.rows, version, {})
            except DATA_ERRORS as error:
                if any(words in str(error) for words in _ENVIRONMENT):
                    raise
                return False
            return True

        return list(_at_fault(ordinals, is_writable))


def _at_fault(ordinals: list[int], is_writable: Callable[[int, int], bool]) -> Iterator[int]:
    if not ordinals or is_writable(ordinals[0], ordinals[-1]):
        return
    if len(ordinals) == 1:
        yield ordinals[0]
        return
    middle = len(ordinals) // 2
    yield from _at_fault(ordinals[:middle], is_writable)
    yield from _at_fault(ordinals[middle:], is_writable)


def _plain_row(table: Table) -> pa.Table:
    """One row that can be written anywhere."""
    row = {"event_at": EPOCH, "user_did": "other", **Hour.of(to_us(EPOCH)).partition}
    return pa.Table.from_pylist([{name: row.get(name) for name in table.schema.names}], schema=table.schema)


@contextmanager
def _scratch(settings: Settings) -> Iterator[Store]:
    folder = own_folder(settings.spill_dir) / f"probe-{token_hex(4)}"
    try:
        scratch = Store(folder)
        scratch.create_tables()
        yield scratch
    finally:
        shutil.rmtree(folder, ignore_errors=True)
