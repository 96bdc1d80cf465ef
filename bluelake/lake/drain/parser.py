"""Frames into rows: one SQL statement a queue, run by DuckDB over the frames' text.

What a statement cannot make a row of is a reject with a reason. A frame on which DuckDB's JSON reader gives up is found by
halving, so that one bad frame costs a few more runs and never the batch.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from bluelake.core.errors import first_line
from bluelake.core.reasons import Anomaly, RejectReason, diagnose_syntax
from bluelake.lake.drain.lines import Lines, in_batches
from bluelake.lake.drain.tagging import add_tags
from bluelake.lake.query import statement
from bluelake.lake.tables import TABLES, Table

log = logging.getLogger(__name__)

# The largest first: what it takes to write one is hidden behind the parsing of the next.
_TEMPLATES = {
    "likes": "parse_subject_record",
    "posts": "parse_posts",
    "reposts": "parse_subject_record",
    "follows": "parse_subject_account",
    "blocks": "parse_subject_account",
    "profiles": "parse_profiles",
    "accounts": "parse_accounts",
    "deletes": "parse_deletes",
    "gaps": "parse_gaps",
}
PARSED_QUEUES = tuple(_TEMPLATES)
# What DuckDB raises about a text or a value. Anything else (memory, a full disk) says nothing about the frames.
UNREADABLE = (duckdb.InvalidInputException, duckdb.DataError)


@dataclass(frozen=True)
class Reject:
    """One frame that cannot be a row. `event_us`: about when, microseconds since 1970."""

    reason: RejectReason
    queue: str
    flush: int
    host: str
    event_us: int
    raw: bytes


@dataclass(frozen=True)
class Parsed:
    """What a queue's frames became. `relation`: a temporary DuckDB table of the rows, whose column `reject_reason` is NULL.
    Rows with an ordinal below `rows_from` are committed already: only what they replace is still to be told."""

    table: Table
    relation: str
    rejects: list[Reject]
    anomalies: Counter[str]
    rows_from: int = 0


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Define what the parsing statements use."""
    connection.execute(statement(__file__, "parse_macros"))


def parse(
    connection: duckdb.DuckDBPyConnection,
    queue: str,
    lines: Lines,
    *,
    rows_from: int,
    rejects_from: int,
    compared_from: int | None = None,
) -> Parsed:
    """Parse the frames of `queue` into the temporary table `parsed_<queue>`.

    Only frames with an ordinal of at least `rows_from` become rows, of at least `rejects_from` rejects: the others are
    committed already. Those from `compared_from` on, `rows_from` unless it is lower, are in the table all the same.
    """
    relation = f"parsed_{queue}"
    text = statement(__file__, _TEMPLATES[queue])
    invalid, unreadable = list(lines.not_utf8), list[int]()
    connection.register("lines", lines.table)
    try:
        try:
            _create(connection, relation, text)
        except UNREADABLE:
            readable, more, unreadable = _readable(connection, text, lines.table)
            invalid += more
            connection.register("lines", readable)
            _create(connection, relation, text)
    finally:
        connection.unregister("lines")
    if queue == "posts":
        add_tags(connection, relation)
    found: list[tuple[int, RejectReason]] = [
        (ordinal, RejectReason(reason))
        for ordinal, reason in connection.execute(
            f"SELECT ordinal, reject_reason FROM {relation} WHERE reject_reason IS NOT NULL"
        ).fetchall()
    ]
    found += [(ordinal, diagnose_syntax(lines.raw(ordinal))) for ordinal in invalid]
    found += [(ordinal, _diagnose(lines.raw(ordinal))) for ordinal in unreadable]
    rejects = [reject_of(lines, queue, *item) for item in sorted(found) if item[0] >= rejects_from]
    if rows_from > 0:
        kept_from = rows_from if compared_from is None else min(rows_from, compared_from)
        connection.execute(f"DELETE FROM {relation} WHERE ordinal < ?", [kept_from])
    return Parsed(TABLES[queue], relation, rejects, _anomalies(connection, queue, relation, rows_from), rows_from)


def _create(connection: duckdb.DuckDBPyConnection, relation: str, text: str) -> None:
    """Make a temporary table of what the statement `text` makes of the relation `lines`."""
    create = f"CREATE OR REPLACE TEMP TABLE {relation} AS {text}"
    try:
        connection.execute(create)
    except duckdb.OutOfMemoryException as error:
        # Each thread holds frames of its own several times over, and one of the largest can take a few hundred MB.
        log.warning("%s: parsed once more on one thread: %s", relation, first_line(error))
        threads = connection.execute("SELECT current_setting('threads')").fetchone()
        connection.execute("SET threads = 1")
        try:
            connection.execute(create)
        finally:
            connection.execute(f"SET threads = {threads[0] if threads else 1}")


def _diagnose(frame: bytes) -> RejectReason:
    """Why DuckDB, which finds `frame` to be JSON, can make no row of it."""
    reason = diagnose_syntax(frame)
    return RejectReason.UNWRITABLE if reason is RejectReason.NOT_JSON else reason


def reject_of(lines: Lines, queue: str, ordinal: int, reason: RejectReason) -> Reject:
    """The reject that one frame of a queue becomes."""
    entry = lines.entry(ordinal)
    return Reject(reason, queue, entry.flush, entry.host, entry.chunk.last_us, lines.raw(ordinal))


def _readable(
    connection: duckdb.DuckDBPyConnection, text: str, table: pa.Table
) -> tuple[pa.Table, list[int], list[int]]:
    """The frames that DuckDB reads; the ordinals of those that are no JSON to it, and of those that it fails on all the same."""
    valid = connection.execute("SELECT ordinal, line, json_valid(line) AS valid FROM lines").to_arrow_table()
    mask = valid["valid"]
    invalid = _ordinals(valid.filter(pa.compute.invert(mask)))
    rest = in_batches(valid.filter(mask).select(table.column_names))
    good, bad = list[pa.Table](), list[int]()
    for piece, is_good in _halve(connection, text, rest):
        if is_good:
            good.append(piece)
        else:
            bad += _ordinals(piece)
    return (pa.concat_tables(good) if good else rest.slice(0, 0)), invalid, bad


def _ordinals(table: pa.Table) -> list[int]:
    return [int(str(ordinal)) for ordinal in table["ordinal"].to_pylist()]


def _halve(connection: duckdb.DuckDBPyConnection, text: str, table: pa.Table) -> Iterator[tuple[pa.Table, bool]]:
    if table.num_rows == 0:
        return
    connection.register("lines", table)
    try:
        _create(connection, "halving", text)
    except UNREADABLE:
        if table.num_rows == 1:
            yield table, False
            return
        middle = table.num_rows // 2
        yield from _halve(connection, text, table.slice(0, middle))
        yield from _halve(connection, text, table.slice(middle))
        return
    yield table, True


def _anomalies(connection: duckdb.DuckDBPyConnection, queue: str, relation: str, rows_from: int) -> Counter[str]:
    columns = TABLES[queue].column_names
    checks = {}
    if "created_at" in columns:
        checks[Anomaly.CREATED_AT_INVALID] = "created_at IS NULL"
    if "text" in columns:
        checks[Anomaly.NUL_IN_TEXT] = "contains(text, chr(0))"
    if not checks:
        return Counter()
    counted = ", ".join(f"count(*) FILTER ({condition})" for condition in checks.values())
    new = f"reject_reason IS NULL AND ordinal >= {rows_from}"
    row = connection.execute(f"SELECT {counted} FROM {relation} WHERE {new}").fetchone()
    assert row is not None
    return Counter({name.value: n for name, n in zip(checks, row, strict=True) if n})
