"""Which records are current, worked out from the ledger alone: by rev, deletes, resets and the newest status of accounts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from harness.oracle.truth import COLLECTIONS, RECORD_TABLES, Event

NEVER_US = 1 << 62
Record = tuple[str, str, str]
"""Table, did, rkey."""


@dataclass(frozen=True)
class Standing:
    """A record that is to be shown. `newest`: its version. `versions`: those since the last delete, oldest first."""

    newest: Event
    versions: tuple[Event, ...]


class History:
    """What has happened to records and accounts, as far as it decides what is current."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.versions: defaultdict[Record, list[Event]] = defaultdict(list)
        self._deleted: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
        self._reset: defaultdict[str, int] = defaultdict(lambda: -1)
        self.accounts: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
        for event in events:
            if event.table in RECORD_TABLES:
                self.versions[event.table, event.did, str(event.columns["rkey"])].append(event)
            elif event.table == "accounts":
                self.accounts[event.did, event.kind].append(event)
            elif event.columns["collection"] == "*":
                self._reset[event.did] = max(self._reset[event.did], event.rev)
            else:
                place = str(event.columns["collection"]), event.did, str(event.columns["rkey"])
                self._deleted[place].append(event.rev)
        for versions in self.versions.values():
            versions.sort(key=lambda event: event.rev)
        for events_of in self.accounts.values():
            events_of.sort(key=_relay_order)

    def has_delete_after(self, event: Event) -> bool:
        """Whether a delete of the record itself is later than this version of it."""
        revs = self._deleted.get((COLLECTIONS[event.table], event.did, str(event.columns["rkey"])), [])
        return any(rev > event.rev for rev in revs)

    def is_deleted(self, event: Event) -> bool:
        """Whether a later delete or reset covers this version of a record."""
        return self.has_delete_after(event) or self._reset.get(event.did, -1) > event.rev

    def is_hidden(self, did: str) -> bool:
        """Whether the account is not active, by its newest status."""
        statuses = self.accounts.get((did, "account"))
        return statuses is not None and statuses[-1].columns["active"] is False

    def is_deleted_with_account(self, did: str) -> bool:
        """Whether the newest status of the account is that it is deleted."""
        statuses = self.accounts.get((did, "account"))
        return statuses is not None and statuses[-1].columns["status"] == "deleted"

    def deletions(self, did: str) -> list[tuple[int, int]]:
        """When the account was deleted, each time with when it came back by the relay's order, or with a time beyond all."""
        events = self.accounts.get((did, "account"), [])
        found = []
        for number, event in enumerate(events):
            if event.columns["status"] == "deleted":
                back = (later.time_us for later in events[number + 1 :] if later.columns["active"])
                found.append((event.time_us, next(back, NEVER_US)))
        return found

    def current(self) -> dict[Record, Standing]:
        """Every record that is to be shown."""
        found = {}
        for record, versions in self.versions.items():
            newest = versions[-1]
            if self.is_deleted(newest) or self.is_hidden(newest.did):
                continue
            since = tuple(version for version in versions if not self.is_deleted_before(version, newest))
            found[record] = Standing(newest, since)
        return found

    def is_deleted_before(self, event: Event, later: Event) -> bool:
        """Whether a delete or reset lies between two versions of one record."""
        revs = self._deleted.get((COLLECTIONS[event.table], event.did, str(event.columns["rkey"])), [])
        return any(event.rev < rev <= later.rev for rev in [*revs, self._reset.get(event.did, -1)])

    def current_accounts(self) -> dict[tuple[str, str], Event]:
        """The newest event of each account and kind."""
        return {place: events[-1] for place, events in self.accounts.items()}


def _relay_order(event: Event) -> tuple[int, int]:
    return int(str(event.columns["created_at"])), int(str(event.columns["seq"]))
