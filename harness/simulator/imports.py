"""Imported times: an operator overrides the time of records, as with posts that were first written on another network.

The host has seen the record now, and its cursors count that moment. Its event tells a time of years ago.
"""

import random

from harness.simulator.events import SYNC, Event

_YEAR_US = 31_557_600_000_000
# When the records of an import are from: years after 1970, so that many of them share an hour.
_YEARS = (6.2, 39.4, 46.7, 51.3)
_SPREAD_US = 600_000_000
_LONGEST_RUN = 12


class Imports:
    """Gives runs of creates imported times, drawn from `rng`. share: of the creates that begin a run.

    A purge takes what is older than the deletion of its account. So an account that was ever deleted has none.
    """

    def __init__(self, rng: random.Random, share: float) -> None:
        self._rng = rng
        self._share = share
        self._left = 0
        self._deleted: set[str] = set()

    def pass_on(self, event: Event, *, may_import: bool) -> Event:
        """The event, with an imported time if it is its turn. may_import: whether it may be."""
        if b'"kind":"account"' in event.frame and b'"status":"deleted"' in event.frame:
            self._deleted.add(event.did)
        is_create = event.collection not in ("", SYNC) and b'"operation":"create"' in event.frame
        if not may_import or not is_create or event.did in self._deleted:
            return event
        if not self._left:
            if self._rng.random() >= self._share:
                return event
            self._left = self._rng.randint(1, _LONGEST_RUN)
        self._left -= 1
        return self._imported(event)

    def _imported(self, event: Event) -> Event:
        old_us = int(self._rng.choice(_YEARS) * _YEAR_US) + self._rng.randrange(_SPREAD_US)
        told = f'"time_us":{event.time_us},'
        return event._replace(
            frame=event.frame.replace(told.encode(), b'"time_us":%d,' % old_us, 1),
            truth=event.truth.replace(told, f'"time_us":{old_us},"witnessed_us":{event.time_us},', 1),
        )
