"""The oracle: the lake against the simulator's truth ledger, row by row and column by column.

It shares no code with the pipeline. Every event of the ledger must be in the lake exactly once, with the columns that the
ledger says, in the partition of its hour; nothing else may be there. What is current is worked out from the ledger and
compared with what `bluelake sql` shows. Only two things may be missing: rows that a delete allowed to be purged, and what no host
served, if the table `gaps` says so with bounds that contain it.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from harness.oracle.current import History, Record
from harness.oracle.deltalog import PARTITION, Row, read_rows
from harness.oracle.truth import COLLECTIONS, EPOCH, KEYS, RECORD_TABLES, TABLES, Event, Key, Truth

SHOWN_AT_MOST = 5
_SHOWN_CHARACTERS = 300
# By so much a gap may be wider, on either side, than what was kept back: the margins of the runs' settings.
GAP_SLACK_US = 12_000_000
# So long without an event is a gap as far as anybody can tell: GAP_SECONDS of a run.
QUIET_US = 2_500_000
# So much younger than the deletion of its account a record may be that goes with it, before the account comes back.
PURGE_MARGIN_US = 900_000_000
# By so much a clock may be ahead that decides whether an hour has ended: a step of a run's.
CLOCK_STEP_US = 90_000_000
HOUR_US = 3_600_000_000
# Folders of authors that have none of their own.
SHARED_FOLDERS = ("other",)


@dataclass(frozen=True)
class Difference:
    """One way in which the lake is not what happened. `kind`: lost, twice, foreign, column, misplaced, unreported,
    invented, hidden, shown, stale, unfound, unpurged."""

    kind: str
    table: str
    key: Key
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.table} {str(self.key)[:_SHOWN_CHARACTERS]}: {self.detail}"


@dataclass(frozen=True)
class World:
    """What the oracle has to know of a run. `offsets_us`: by host's port, how far its clock is off. `purged_us`: when the last
    seal and maintenance began, which take deleted rows out of the files of hours that had ended; None where nothing is to be
    purged. `kinds_left_out`: kinds of events that the wire does not carry. `garbage`: whether hosts sent what is no event."""

    offsets_us: Mapping[int, int]
    purged_us: int | None = None
    kinds_left_out: frozenset[str] = frozenset()
    garbage: bool = False


@dataclass
class Verdict:
    """What the oracle found. `missing`: events that no host served, as a gap says. `purged`: rows that are gone rightly."""

    events: int
    rows: int = 0
    missing: int = 0
    purged: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the lake is what happened."""
        return not self.differences

    def report(self) -> str:
        """A few lines: how much was compared, how many differences of each kind, and the first of each."""
        lines = [f"{self.events} events, {self.rows} rows, {self.missing} in gaps, {self.purged} purged"]
        by_kind: defaultdict[str, list[Difference]] = defaultdict(list)
        for difference in self.differences:
            by_kind[difference.kind].append(difference)
        for kind, found in sorted(by_kind.items()):
            tables = Counter(difference.table for difference in found)
            lines.append(f"{len(found)} {kind} ({', '.join(f'{table} {n}' for table, n in sorted(tables.items()))})")
            lines += [f"  {difference}" for difference in found[:SHOWN_AT_MOST]]
        return "\n".join(lines)


class Oracle:
    """Compares one lake with one truth. `tables`: every row of each table. `shown`: by table, what people see as current.
    `exported`: at:// URIs of the posts that a search for everything finds; None: nobody searched."""

    def __init__(
        self,
        truth: Truth,
        tables: Mapping[str, Sequence[Row]],
        shown: Mapping[str, Sequence[Row]],
        world: World,
        exported: Sequence[str] | None = None,
    ) -> None:
        self._truth = truth
        self._tables = tables
        self._shown = shown
        self._exported = exported
        self._world = world
        self._offsets = set(world.offsets_us.values())
        # So much later than another an event may seem which happened before it.
        self._apart_us = max(self._offsets) - min(self._offsets)
        self._rows: dict[str, dict[Key, Row]] = {}
        self._happened = {
            table: {key: event for key, event in events.items() if event.kind not in world.kinds_left_out}
            for table, events in truth.events.items()
        }
        self._history = History(event for events in self._happened.values() for event in events.values())
        self._served: list[Event] = []
        rows = tables.get("gaps", ())
        repaired = {_span_of(row) for row in rows if row.get("repaired_at") is not None}
        self._open_gaps = [row for row in rows if _span_of(row) not in repaired]
        self.verdict = Verdict(sum(map(len, self._happened.values())))

    def judge(self) -> Verdict:
        """Compare everything."""
        self._check_gaps()
        self._check_rejects()
        for table in TABLES:
            self._compare_rows(table)
            self._account_for_missing(table)
        # What was not served has not happened as far as people can see.
        self._history = History(self._served)
        self._check_purge()
        self._compare_current()
        self._compare_exported()
        return self.verdict

    def _say(self, kind: str, table: str, key: Key, detail: str) -> None:
        self.verdict.differences.append(Difference(kind, table, key, detail))

    def _compare_rows(self, table: str) -> None:
        happened = self._happened[table]
        rows: dict[Key, Row] = {}
        for row in self._tables.get(table, ()):
            self.verdict.rows += 1
            key = tuple(row.get(name) for name in KEYS[table])
            event = happened.get(key)
            if event is None:
                self._say("foreign", table, key, f"is not in the ledger: {_short(row)}")
                continue
            if key in rows:
                self._say("twice", table, key, f"event_at {rows[key]['event_at']} and {row['event_at']}")
                continue
            rows[key] = row
            self._compare_columns(event, row)
        self._rows[table] = rows

    def _compare_columns(self, event: Event, row: Row) -> None:
        at_us = int(str(row["event_at"]))
        if at_us - event.time_us not in self._offsets and not self._is_told_again(event, at_us):
            self._say("column", event.table, event.key, f"event_at is {at_us}, and it happened at {event.time_us}")
        for name, difference in _different(event, row):
            self._say("column", event.table, event.key, f"{name} is {difference}")
        hour = f"{EPOCH + timedelta(microseconds=at_us):%Y-%m-%d-%H}"
        if "-".join(str(row[name]) for name in PARTITION) != hour:
            self._say("misplaced", event.table, event.key, f"lies in {[row[name] for name in PARTITION]}, not {hour}")
        if row.get("user_did", event.did) not in (event.did, *SHARED_FOLDERS):
            self._say("misplaced", event.table, event.key, f"lies in the folder of {row['user_did']}")

    def _is_told_again(self, event: Event, at_us: int) -> bool:
        """Whether a host has served the event once more with that time, by its clock."""
        return any(
            again.tells(event.seen_us, at_us - self._world.offsets_us[again.port]) for again in self._truth.again
        )

    def _account_for_missing(self, table: str) -> None:
        for key, event in self._happened[table].items():
            if key in self._rows[table]:
                self._served.append(event)
                continue
            is_withheld = self._is_withheld(event)
            if is_withheld and self._is_in_gap(event):
                self.verdict.missing += 1
                continue
            may_be_purged = self._may_be_purged(event)
            if is_withheld and not may_be_purged:
                self.verdict.missing += 1
                self._say("unreported", table, key, f"no host served {event.time_us}, and no gap contains that")
                continue
            self._served.append(event)
            if may_be_purged:
                self.verdict.purged += 1
            else:
                self._say("lost", table, key, f"happened at {event.time_us}, and a host served it")

    def _may_be_purged(self, event: Event) -> bool:
        if self._world.purged_us is None or event.table not in RECORD_TABLES:
            return False
        if _hour_end(event.time_us + min(self._offsets)) > self._world.purged_us + CLOCK_STEP_US:
            return False
        went_with_account = any(
            event.time_us <= min(deleted_us + PURGE_MARGIN_US, back_us) + self._apart_us
            for deleted_us, back_us in self._history.deletions(event.did)
        )
        return went_with_account or self._history.has_delete_after(event)

    def _check_purge(self) -> None:
        """No row of an hour that had ended is left which a delete, or the end of its account, removes for good."""
        if self._world.purged_us is None:
            return
        for table in RECORD_TABLES:
            for key, row in self._rows[table].items():
                event = self._happened[table][key]
                if _hour_end(int(str(row["event_at"]))) <= self._world.purged_us and self._must_be_purged(event):
                    self._say("unpurged", table, key, f"happened at {event.time_us} and is deleted")

    def _must_be_purged(self, event: Event) -> bool:
        if self._history.has_delete_after(event):
            return True
        deletions = self._history.deletions(event.did)
        return self._history.is_deleted_with_account(event.did) and event.time_us + self._apart_us <= deletions[-1][0]

    def _is_withheld(self, event: Event) -> bool:
        """Whether none of the hosts served it."""
        return all(
            any(span.port == port and span.from_us <= event.seen_us < span.to_us for span in self._truth.withheld)
            for port in self._world.offsets_us
        )

    def _is_in_gap(self, event: Event) -> bool:
        return any(
            first <= event.seen_us <= last
            for first, last in (self._base_span(gap) for gap in self._open_gaps if self._port_of(gap) is not None)
        )

    def _port_of(self, gap: Row) -> int | None:
        """The port of the host that a row of `gaps` names; None where there is no such host."""
        port = str(gap["host"]).rpartition(":")[2]
        return int(port) if port.isdecimal() and int(port) in self._world.offsets_us else None

    def _base_span(self, gap: Row) -> tuple[int, int]:
        """The bounds of a row of `gaps`, which are by its host's clock, in base time."""
        offset = self._world.offsets_us[self._port_of(gap) or 0]
        return int(str(gap["from_at"])) - offset, int(str(gap["to_at"])) - offset

    def _check_gaps(self) -> None:
        """Every gap is of a host that is known, stands there once, and is about what some host really did not have."""
        rows = [row for row in self._tables.get("gaps", ()) if row.get("repaired_at") is None]
        for span, count in Counter(map(_span_of, rows)).items():
            if count > 1:
                self._say("twice", "gaps", span, f"stands there {count} times")
        times = sorted(event.seen_us for events in self._happened.values() for event in events.values())
        for row in rows:
            if self._port_of(row) is None:
                self._say("invented", "gaps", _span_of(row), "no such host")
            elif not self._was_withheld(*self._base_span(row), times):
                self._say(
                    "invented", "gaps", _span_of(row), "no host kept that to itself, and the network was not quiet"
                )

    def _check_rejects(self) -> None:
        """What was refused is no event, and stands there once."""
        rejects = Counter((row["reason"], row["raw"]) for row in self._tables.get("rejects", ()))
        for key, count in rejects.items():
            if not self._world.garbage:
                self._say("foreign", "rejects", key, "no host sent anything but events")
            if count > 1:
                self._say("twice", "rejects", key, f"stands there {count} times")

    def _was_withheld(self, first: int, last: int, times: Sequence[int]) -> bool:
        """Whether a host really kept back what lies about there, or there was nothing: a quiet network looks the same."""
        slack = GAP_SLACK_US + self._apart_us
        spans = [(span.from_us, span.to_us) for span in self._truth.withheld]
        spans += [(0, times[0] if times else last)]
        spans += [(before, after) for before, after in itertools.pairwise(times) if after - before > QUIET_US]
        return any(
            start <= last and first <= end and (not start or first >= start - slack) and last <= end + slack
            for start, end in spans
        )

    def _compare_current(self) -> None:
        expected = self._history.current()
        shown: dict[Record, Row] = {}
        for table in RECORD_TABLES:
            for row in self._shown.get(table, ()):
                record = table, str(row["did"]), str(row["rkey"])
                if (other := shown.get(record)) is not None:
                    if self._saw_all(record):
                        self._say("shown", table, record[1:], f"twice: revs {other['rev']} and {row['rev']}")
                    if int(str(other["rev"])) > int(str(row["rev"])):
                        continue
                shown[record] = row
                if record not in expected:
                    self._say(
                        "shown", table, record[1:], f"rev {row['rev']}, and it is deleted or its account is not active"
                    )
        for record, standing in expected.items():
            if record in shown:
                self._compare_shown(record, standing.newest, standing.versions, shown[record])
            elif standing.newest.key in self._rows[record[0]]:
                self._say("hidden", record[0], record[1:], f"rev {standing.newest.rev} is current and does not show")
            elif not self._may_be_purged(standing.newest):
                self._say("hidden", record[0], record[1:], f"rev {standing.newest.rev} is current and is lost")
        self._compare_accounts()

    def _saw_all(self, record: Record) -> bool:
        """Whether no delete of the record's account is missing: without it, a record that was made anew shows twice."""
        did = record[1]
        return all(key in self._rows["deletes"] for key, e in self._happened["deletes"].items() if e.did == did)

    def _compare_shown(self, record: Record, newest: Event, versions: Iterable[Event], row: Row) -> None:
        table = record[0]
        if row["rev"] != newest.rev:
            self._say("stale", table, record[1:], f"shows rev {row['rev']}, current is {newest.rev}")
            return
        for name, difference in _different(newest, row):
            self._say("stale", table, record[1:], f"{name} is {difference}")
        seen = [self._rows[table][event.key]["event_at"] for event in versions if event.key in self._rows[table]]
        first = min((int(str(at)) for at in seen), default=None)
        own = self._rows[table].get(newest.key, {}).get("event_at")
        right = first if table == "posts" and newest.columns["operation"] == "update" else own
        if right is not None and row["event_at"] != right:
            self._say("stale", table, record[1:], f"event_at is {row['event_at']}, first seen at {right}")

    def _compare_exported(self) -> None:
        """A search finds the posts that SQL shows, each once."""
        if self._exported is None:
            return
        prefix = f"{COLLECTIONS['posts']}/"
        shown = Counter(f"at://{row['did']}/{prefix}{row['rkey']}" for row in self._shown.get("posts", ()))
        exported = Counter(self._exported)
        for uri, count in (shown - exported).items():
            self._say("unfound", "posts", (uri,), f"shows, and no search finds it ({count})")
        for uri, count in (exported - shown).items():
            self._say("unfound", "posts", (uri,), f"a search finds it, and it does not show ({count})")

    def _compare_accounts(self) -> None:
        expected = self._history.current_accounts()
        newest = {(str(row["did"]), str(row["kind"])): row for row in self._shown.get("accounts", ())}
        for place, event in expected.items():
            if place not in newest:
                self._say("hidden", "accounts", place, "its newest event does not show")
            elif any(True for _ in _different(event, newest[place])):
                self._say("stale", "accounts", place, f"shows {_short(newest[place])}, newest is {dict(event.columns)}")
        for place in newest.keys() - expected.keys():
            self._say("shown", "accounts", place, "never happened")


def _different(event: Event, row: Row) -> Iterable[tuple[str, str]]:
    """The columns in which a row is not what the ledger says, with both values."""
    for name, value in event.columns.items():
        found = row.get(name)
        if found != value:
            yield name, f"{found!r}, the ledger says {value!r}"


def _hour_end(time_us: int) -> int:
    return (time_us // HOUR_US + 1) * HOUR_US


def _span_of(gap: Row) -> Key:
    return tuple(gap.get(name) for name in ("from_at", "to_at", "host", "cause"))


def _short(row: Row) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in row.items() if value not in (None, []))[:300]


def judge(
    truth: Truth, lake: Path, shown: Mapping[str, Sequence[Row]], world: World, exported: Sequence[str] | None = None
) -> Verdict:
    """Compare the lake in the folder `lake` with the truth. Raises TruthError where it cannot be read."""
    tables = {table: read_rows(lake / table) for table in (*TABLES, "gaps", "rejects")}
    return Oracle(truth, tables, shown, world, exported).judge()
