"""Small lakes made by hand: a Delta log and Parquet files as the oracle reads them, and the ledger that they must equal."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from harness.oracle.deltalog import Row, read_rows
from harness.oracle.judge import Oracle, Verdict, World
from harness.oracle.truth import TABLES, Again, Withheld, truth_of
from tests.support.frames import ANN, BOB, NOON_US, tid

PARTITION = "year=2026/month=07/day=04/hour=12"
PORT = 5001
FIELDS: dict[str, dict[str, Any]] = {
    "posts": {"cid": "bafy", "text": "hello", "langs": ["en"]},
    "likes": {"subject_did": BOB, "subject_rkey": "3kaaa"},
    "follows": {"subject_did": BOB},
}
COLLECTION = {"posts": "app.bsky.feed.post", "likes": "app.bsky.feed.like", "follows": "app.bsky.graph.follow"}
CREATED = "2026-07-04T11:59:59.500Z"
CREATED_US = NOON_US - 500_000


def record(
    table: str, second: int, *, rkey: str = "", rev: int = 0, did: str = ANN, operation: str = "create"
) -> dict[str, Any]:
    """The ledger's line of a record that was made `second` seconds past noon."""
    rev = rev or second + 1
    line = {
        "source": "generated",
        "table": table,
        "time_us": NOON_US + second * 1_000_000,
        "did": did,
        "kind": "commit",
    }
    line |= {"operation": operation, "collection": COLLECTION[table], "rkey": rkey or f"3k{second}"}
    return line | {"rev": tid(rev), "rev_int": rev, "created_at": CREATED, **FIELDS[table]}


def delete(table: str, second: int, rkey: str, *, rev: int = 0, did: str = ANN, kind: str = "commit") -> dict[str, Any]:
    """The ledger's line of a delete; of a sync with `kind`, whose table and rkey are `*`."""
    rev = rev or second + 1
    line = {
        "source": "generated",
        "table": "deletes",
        "time_us": NOON_US + second * 1_000_000,
        "did": did,
        "kind": kind,
    }
    collection = "*" if kind == "sync" else COLLECTION[table]
    return line | {"operation": "delete", "collection": collection, "rkey": rkey, "rev": tid(rev), "rev_int": rev}


def account(second: int, status: str | None, *, did: str = ANN, seq: int = 0) -> dict[str, Any]:
    """The ledger's line of an account event, active with the status None."""
    line = {
        "source": "generated",
        "table": "accounts",
        "time_us": NOON_US + second * 1_000_000,
        "did": did,
        "kind": "account",
    }
    line |= {"created_at": f"2026-07-04T12:00:{second:02}.000Z", "handle": None}
    return line | {"active": status is None, "status": status, "seq": seq or second}


def row(line: dict[str, Any], **changes: Any) -> Row:
    """The row that a line has to become, made by hand; times in microseconds."""
    names = ("did", "rkey", "cid", "text", "langs", "subject_did", "subject_rkey", "handle", "active", "status", "seq")
    found: Row = {name: line[name] for name in names if name in line}
    found["event_at"] = line["time_us"]
    if "rev_int" in line:
        found["rev"] = line["rev_int"]
    if line["table"] == "accounts":
        second = int(line["created_at"][17:19])
        found |= {"kind": line["kind"], "created_at": NOON_US + second * 1_000_000}
    elif line["table"] == "deletes":
        found["collection"] = line["collection"]
    else:
        found |= {"operation": line["operation"], "created_at": CREATED_US}
    return found | {"year": "2026", "month": "07", "day": "04", "hour": "12", **changes}


def judge(
    happened: Sequence[dict[str, Any]],
    stored: Sequence[tuple[str, Row]],
    shown: Sequence[tuple[str, Row]] | None = None,
    *,
    withheld: Sequence[tuple[int, int]] = (),
    offset_us: int = 0,
    purged_us: int | None = None,
    garbage: bool = False,
    exported: Sequence[str] | None = None,
    again: Sequence[Again] = (),
) -> Verdict:
    """What the oracle says. `stored`, `shown`: rows with their table; without `shown`, all that is stored shows.
    `withheld`: spans in seconds past noon."""
    spans = [Withheld(PORT, NOON_US + first * 1_000_000, NOON_US + last * 1_000_000) for first, last in withheld]
    visible = stored if shown is None else shown
    tables = (*TABLES, "gaps", "rejects")
    oracle = Oracle(
        truth_of(happened, spans, again),
        {table: [values for name, values in stored if name == table] for table in tables},
        {table: [values for name, values in visible if name == table] for table in tables},
        World({PORT: offset_us}, purged_us, garbage=garbage),
        exported,
    )
    return oracle.judge()


class DeltaTable:
    """A Delta table written by hand: Parquet by DuckDB, the log's entries as JSON."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "_delta_log").mkdir(parents=True)
        self._version = -1
        self.commit()

    def commit(self, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Append an entry to the log."""
        self._version += 1
        actions: list[dict[str, Any]] = [{"remove": {"path": path}} for path in remove]
        actions += [{"add": {"path": path, "size": 1}} for path in add]
        entry = self.folder / "_delta_log" / f"{self._version:020d}.json"
        entry.write_text("".join(json.dumps(action) + "\n" for action in [{"commitInfo": {}}, *actions]))

    def write(self, name: str, values: str) -> str:
        """A Parquet file of `did, rkey, rev, second`: an SQL list of values. Returns its path in the log."""
        path = self.folder / PARTITION / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (SELECT did, rkey, rev, make_timestamptz({NOON_US} + second * 1000000) AS event_at "
                f"FROM (VALUES {values}) AS v(did, rkey, rev, second)) TO '{path}' (FORMAT parquet)"
            )
        return f"{PARTITION}/{name}"

    def rows(self) -> list[Row]:
        """What the oracle reads of it."""
        return read_rows(self.folder)
