"""Rejects: frames that cannot be rows, kept byte for byte with the reason."""

import logging
from collections import Counter

import duckdb
import msgspec
import pyarrow as pa

from bluelake.buffer.client import Entry
from bluelake.core.clock import to_datetime
from bluelake.core.reasons import MAX_REJECT_BYTES, RejectReason, diagnose_syntax
from bluelake.lake.delta import Store
from bluelake.lake.drain.dedupe import Selection, select_new
from bluelake.lake.drain.lines import read_lines
from bluelake.lake.drain.parser import Parsed, Reject
from bluelake.lake.tables import REJECTS

log = logging.getLogger(__name__)

# A rejected frame's time is when it came, so that a later delivery of it may lie an outage apart.
REJECTS_MARGIN_US = 2 * 86_400_000_000
# The end of the year 9999, after which there is no date.
LAST_US = 253_402_300_799_999_999
# The longest line of the queue `rejects`: a frame in base64, and room for the rest of the notice.
MAX_NOTICE_BYTES = MAX_REJECT_BYTES // 3 * 4 + 1024


class _Notice(msgspec.Struct):
    """The ingester's notice of a frame that it could not place; `raw` is base64 on the wire."""

    reason: str
    received_us: int
    raw: bytes


_DECODER = msgspec.json.Decoder(_Notice)


def read_rejects(entries: list[Entry]) -> list[Reject]:
    """The rejects that `entries` of the queue `rejects` tell of."""
    found = []
    for entry in entries:
        lines = read_lines([entry], 1)
        for ordinal in range(lines.count):
            found.append(read_notice(lines.raw(ordinal), entry.flush, entry.host, entry.chunk.last_us))
    return found


def read_notice(line: bytes, flush: int, host: str, last_us: int) -> Reject:
    """The reject that a line of the queue `rejects` tells of. `last_us`: its time if the line tells none.

    A notice that cannot be read, or whose reason is unknown here, as one of a newer ingester may be, is a reject itself.
    """
    reason, received_us, raw = RejectReason.UNWRITABLE, last_us, line
    try:
        notice = _DECODER.decode(line)
        received_us, raw = notice.received_us, notice.raw
        reason = RejectReason(notice.reason)
    except msgspec.DecodeError as error:
        reason = RejectReason.WRONG_TYPE if isinstance(error, msgspec.ValidationError) else diagnose_syntax(line)
        log.warning("a notice of a reject cannot be read (%s), and is kept as it is", error)
    except ValueError as error:
        log.warning("a reject has a reason that is unknown here (%s), and counts as %s", error, reason)
    return Reject(reason, REJECTS.name, flush, host, received_us, raw)


def select_new_rejects(
    connection: duckdb.DuckDBPyConnection, store: Store, rejects: list[Reject], margin_us: int
) -> Selection:
    """Those of `rejects` that the lake does not have yet, among what it got within `margin_us` of them."""
    connection.register("reject_rows", _table(rejects))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE parsed_rejects AS SELECT *, NULL AS reject_reason FROM reject_rows"
    )
    return select_new(connection, store, Parsed(REJECTS, "parsed_rejects", [], Counter()), margin_us)


def _table(rejects: list[Reject]) -> pa.Table:
    return pa.table(
        {
            "ordinal": pa.array(range(len(rejects)), pa.int64()),
            "event_at": pa.array(
                [to_datetime(min(max(reject.event_us, 0), LAST_US)) for reject in rejects],
                REJECTS.schema.field("event_at").type,
            ),
            "reason": [reject.reason.value for reject in rejects],
            "queue": [reject.queue for reject in rejects],
            "flush": [reject.flush for reject in rejects],
            "host": [reject.host for reject in rejects],
            "raw": pa.array([reject.raw for reject in rejects], pa.binary()),
        }
    )
