"""Identity and account events: handles that change, accounts that go and come back."""

import random

from harness.simulator import events
from harness.simulator.events import Commit, Event
from harness.simulator.moments import with_milliseconds
from harness.simulator.population import Account, Population

_FIRST_SEQ = 24_000_000_000
# The relay's numbers count all of its events, of which these are few.
_LARGEST_SEQ_STEP = 400
_LARGEST_LAG_US = 500_000
_RETURN_SHARE = 0.5
# What an active account's next status is; None is a notice that it still is active, as after a move to another host.
_STATUSES: tuple[str | None, ...] = (
    (None,) * 66 + ("deactivated",) * 20 + ("takendown",) * 6 + ("suspended",) * 3 + ("deleted",) * 5
)
_HANDLE_CHANGES = 0.4
_WITHOUT_HANDLE = 0.1
_MICROSECONDS = 1_000_000
_HOUR_US = 3600 * _MICROSECONDS
# A wrong clock is off by hours or by years, either way. No claim is of before 1970.
_MOST_HOURS = 72
_MOST_YEARS = 20
_YEAR_US = 8766 * _HOUR_US


class SkewedClocks:
    """Servers whose clocks are wrong, drawn from `rng`. share: of the events in which one claims a time."""

    def __init__(self, rng: random.Random, share: float) -> None:
        self._rng = rng
        self._share = share

    def claimed(self, time_us: int) -> int:
        """What a server says instead of `time_us`; microseconds since 1970."""
        if not self._share or self._rng.random() >= self._share:
            return time_us
        unit_us, most = self._rng.choice(((_HOUR_US, _MOST_HOURS), (_YEAR_US, _MOST_YEARS)))
        return time_us + self._rng.choice((-1, 1)) * int(self._rng.uniform(1, most) * unit_us)


class Standing:
    """Makes identity and account events. Methods take the moment at which Jetstream sees them, microseconds since 1970.

    clocks: those of the accounts' servers, which claim the events' times.
    """

    def __init__(self, rng: random.Random, population: Population, clocks: SkewedClocks) -> None:
        self._clocks = clocks
        self._random = rng.random
        self._population = population
        self._away: list[Account] = []
        self._seq = _FIRST_SEQ
        self._handles = len(population.accounts)

    def _next_seq(self) -> int:
        self._seq += 1 + int(self._random() * _LARGEST_SEQ_STEP)
        return self._seq

    def _relayed_at(self, time_us: int) -> str:
        return with_milliseconds(self._clocks.claimed(time_us - int(self._random() * _LARGEST_LAG_US)))

    def identity(self, time_us: int) -> Event:
        """A new handle, or a notice to look it up again, one in ten without the handle."""
        account = self._population.author()
        chance = self._random()
        if chance < _HANDLE_CHANGES:
            account.handle = self._population.new_handle(self._handles)
            self._handles += 1
        handle = None if chance > 1 - _WITHOUT_HANDLE else account.handle
        time_us = account.next_time(time_us)
        return events.identity_event(account.did, time_us, handle, self._next_seq(), self._relayed_at(time_us))

    def account(self, time_us: int) -> Event:
        """An account that goes (deactivated, taken down, suspended, deleted for good), comes back, or stays."""
        if self._away and self._random() < _RETURN_SHARE:
            account = self._away.pop(int(self._random() * len(self._away)))
            account.active, account.status = True, None
        else:
            account = self._population.author()
            account.status = _STATUSES[int(self._random() * len(_STATUSES))]
            account.active = account.status is None
            if not account.active and account.status != "deleted":
                self._away.append(account)
        return self._tell(account, time_us)

    def set_status(self, account: Account, status: str | None, time_us: int) -> Event:
        """An account that goes for a reason, or, where there is none, comes back."""
        account.active, account.status = status is None, status
        return self._tell(account, time_us)

    def sync(self, commit: Commit) -> Event:
        """A reset of a repository at a commit."""
        return events.sync_event(commit, self._next_seq(), self._relayed_at(commit.time_us))

    def _tell(self, account: Account, time_us: int) -> Event:
        time_us = account.next_time(time_us)
        return events.account_event(account.did, time_us, account.status, self._next_seq(), self._relayed_at(time_us))
