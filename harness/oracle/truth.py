"""The simulator's truth ledger, as the oracle reads it: every event once, with the row that it has to become.

Nothing of the pipeline is imported: what is compared with the lake must not come from the code that wrote the lake.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.errors import TruthError

RECORD_TABLES = ("posts", "likes", "reposts", "follows", "blocks", "profiles")
TABLES = (*RECORD_TABLES, "accounts", "deletes")
# What tells two events of a table apart.
KEYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(RECORD_TABLES, ("did", "rkey", "rev")),
    "accounts": ("did", "kind", "seq", "created_at"),
    "deletes": ("did", "collection", "rkey", "rev"),
}
COLLECTIONS = {
    "posts": "app.bsky.feed.post",
    "likes": "app.bsky.feed.like",
    "reposts": "app.bsky.feed.repost",
    "follows": "app.bsky.graph.follow",
    "blocks": "app.bsky.graph.block",
    "profiles": "app.bsky.actor.profile",
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Fields of a line that are no columns, or are columns of some tables only.
_NO_COLUMNS = {"source", "table", "time_us", "witnessed_us", "kind", "operation", "collection", "rev", "rev_int"}
_KEPT = {"accounts": {"kind"}, "deletes": {"collection"}}

Key = tuple[object, ...]


@dataclass(frozen=True)
class Event:
    """One event of the ledger. `columns`: of its row, without `event_at`; times in microseconds since 1970.

    `time_us`: as the event tells it. `seen_us`: when the network saw it, which is another moment where the time was imported.
    """

    table: str
    key: Key
    time_us: int
    kind: str
    columns: Mapping[str, object]
    seen_us: int

    @property
    def did(self) -> str:
        """Whose event it is."""
        return str(self.columns["did"])

    @property
    def rev(self) -> int:
        """The commit's number; 0 for events of accounts."""
        return int(str(self.columns.get("rev", 0)))


@dataclass(frozen=True)
class Withheld:
    """A span of base time, end exclusive, that the host on `port` never served."""

    port: int
    from_us: int
    to_us: int


@dataclass(frozen=True)
class Again:
    """A span of base time, end exclusive, that the host on `port` served once more with times from `at_us` on."""

    port: int
    from_us: int
    to_us: int
    at_us: int

    def tells(self, seen_us: int, time_us: int) -> bool:
        """Whether it tells an event that was seen at `seen_us` with the time `time_us`."""
        return self.from_us <= seen_us < self.to_us and 0 <= time_us - self.at_us <= self.to_us - self.from_us


@dataclass
class Truth:
    """All that happened. `events`: by table and key. `withheld`: what hosts kept to themselves. `again`: what they told anew."""

    events: dict[str, dict[Key, Event]] = field(default_factory=lambda: {table: {} for table in TABLES})
    withheld: list[Withheld] = field(default_factory=list)
    again: list[Again] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Events of all tables."""
        return sum(map(len, self.events.values()))


def claimed_us(text: object) -> int | None:
    """A claimed time in microseconds since 1970; None where it is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)


def event_of(line: Mapping[str, Any]) -> Event:
    """The event that a line of the ledger is. Raises TruthError."""
    try:
        table = str(line["table"])
        dropped = _NO_COLUMNS - _KEPT.get(table, set())
        columns: dict[str, object] = {name: value for name, value in line.items() if name not in dropped}
        if "rev_int" in line:
            columns["rev"] = line["rev_int"]
        if table in RECORD_TABLES:
            columns["operation"] = line["operation"]
        if "created_at" in columns:
            columns["created_at"] = claimed_us(columns["created_at"])
        key = tuple(columns[name] for name in KEYS[table])
        time_us = int(line["time_us"])
        return Event(table, key, time_us, str(line["kind"]), columns, int(line.get("witnessed_us", time_us)))
    except (KeyError, TypeError, ValueError) as error:
        raise TruthError(f"ledger: {line}: {type(error).__name__}: {error}") from error


def truth_of(
    lines: Iterable[Mapping[str, Any]], withheld: Iterable[Withheld] = (), again: Iterable[Again] = ()
) -> Truth:
    """Everything that `lines` tell. Raises TruthError where an event stands there twice."""
    truth = Truth(withheld=list(withheld), again=list(again))
    for line in lines:
        event = event_of(line)
        if truth.events[event.table].setdefault(event.key, event) is not event:
            raise TruthError(f"ledger: {event.table} {event.key} stands there twice")
    return truth


def read_truth(path: Path) -> Truth:
    """The ledger at `path` and, where there is one, the list of what was withheld beside it. Raises TruthError."""
    beside = path.with_name(f"{path.name}.withheld")
    try:
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        spans = [json.loads(line) for line in beside.read_bytes().splitlines()] if beside.exists() else []
    except (OSError, ValueError) as error:
        raise TruthError(f"{path}: {error}") from error
    bounds = [(int(span["host"]), int(span["from_us"]), int(span["to_us"])) for span in spans]
    return truth_of(
        lines,
        [Withheld(*bound) for span, bound in zip(spans, bounds, strict=True) if "again_us" not in span],
        [Again(*bound, int(span["again_us"])) for span, bound in zip(spans, bounds, strict=True) if "again_us" in span],
    )
