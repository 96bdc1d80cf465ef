"""The records that exist: what can be updated or deleted."""

import random
from typing import NamedTuple

from harness.simulator.population import Account
from harness.simulator.posts import Post

_TRIES = 8


class LiveRecord(NamedTuple):
    """A record that was created and not deleted. post: where it is one."""

    account: Account
    rkey: str
    post: Post | None = None


class RecordPool:
    """The records of one collection. Past its capacity, a random one is forgotten: it will simply never be deleted."""

    def __init__(self, rng: random.Random, capacity: int) -> None:
        self._random = rng.random
        self._capacity = capacity
        self._records: list[LiveRecord] = []

    def add(self, record: LiveRecord) -> None:
        """Note a record that was created."""
        if len(self._records) < self._capacity:
            self._records.append(record)
        else:
            self._records[int(self._random() * self._capacity)] = record

    def take(self, before: str = "") -> LiveRecord | None:
        """Remove and return a record of an active account, with a key below `before` if given; None where none is found."""
        place = self._find(before)
        if place is None:
            return None
        records = self._records
        found = records[place]
        records[place] = records[-1]
        records.pop()
        return found

    def peek(self) -> LiveRecord | None:
        """A record of an active account, which stays; None where none is found."""
        place = self._find()
        return None if place is None else self._records[place]

    def forget(self, account: Account) -> None:
        """Remove the records of an account."""
        self._records = [record for record in self._records if record.account is not account]

    def _find(self, before: str = "") -> int | None:
        records = self._records
        if not records:
            return None
        for _ in range(_TRIES):
            place = int(self._random() * len(records))
            if records[place].account.active and (not before or records[place].rkey < before):
                return place
        return None
