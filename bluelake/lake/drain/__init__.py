"""From the buffer into the tables: parse, drop duplicates, commit, keep rejects."""

from bluelake.lake.drain.dedupe import Selection, select_new
from bluelake.lake.drain.drainer import drain
from bluelake.lake.drain.lines import Lines, read_lines
from bluelake.lake.drain.parser import PARSED_QUEUES, Parsed, Reject, parse, prepare, reject_of
from bluelake.lake.drain.raw import keep_raw, remove_old_raw
from bluelake.lake.drain.rejects import MAX_NOTICE_BYTES, read_notice, select_new_rejects
from bluelake.lake.drain.replacements import replacements_of, select_new_replacements
from bluelake.lake.drain.unwritable import DATA_ERRORS, find_unwritable

__all__ = [
    "DATA_ERRORS",
    "MAX_NOTICE_BYTES",
    "PARSED_QUEUES",
    "Lines",
    "Parsed",
    "Reject",
    "Selection",
    "drain",
    "find_unwritable",
    "keep_raw",
    "parse",
    "prepare",
    "read_lines",
    "read_notice",
    "reject_of",
    "remove_old_raw",
    "replacements_of",
    "select_new",
    "select_new_rejects",
    "select_new_replacements",
]
