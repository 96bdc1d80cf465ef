"""The synthetic accounts: who they are, how active, and where each one's repository stands."""

import random

from harness.simulator.identifiers import CLOCK_IDS, random_did
from harness.simulator.vocabulary import Vocabulary, ZipfTable

# A repository's revs are a little older than the moment at which Jetstream sees them.
_MAX_LAG_US = 900_000
# A record's key is made this much before the commit that holds it.
_MAX_KEY_AGE_US = 4_000

_LANGUAGES = ("en",) * 52 + ("ja",) * 27 + ("pt",) * 15 + ("cs",) * 6
# Few accounts do much, most do little; flat enough that 300,000 events come from tens of thousands of accounts.
_ACTIVITY_EXPONENT = 0.6
_ACTIVITY_OFFSET = 20.0


class Account:
    """One account. `rev_us` and `time_us` are those of its newest event, microseconds since 1970."""

    __slots__ = (
        "active",
        "clock_id",
        "did",
        "handle",
        "has_profile",
        "language",
        "profile_created_at",
        "rev_us",
        "status",
        "time_us",
    )

    def __init__(self, did: str, handle: str, language: str, clock_id: int) -> None:
        self.did = did
        self.handle = handle
        self.language = language
        self.clock_id = clock_id
        self.active = True
        self.status: str | None = None
        self.has_profile = False
        self.profile_created_at: str | None = None
        self.rev_us = 0
        self.time_us = 0

    def next_time(self, time_us: int) -> int:
        """When Jetstream sees this account's next event: `time_us`, or later where that is not after the last one."""
        if time_us <= self.time_us:
            time_us = self.time_us + 1
        self.time_us = time_us
        return time_us

    def next_commit(self, rng: random.Random, time_us: int) -> tuple[int, int]:
        """When the next record's key and its commit are made, both strictly after everything in the repository."""
        rev_us = time_us - int(rng.random() * _MAX_LAG_US)
        if rev_us < self.rev_us + 2:
            rev_us = self.rev_us + 2
        key_us = rev_us - int(rng.random() * _MAX_KEY_AGE_US)
        if key_us <= self.rev_us:
            key_us = self.rev_us + 1
        self.rev_us = rev_us
        return key_us, rev_us


class Population:
    """All accounts, the most active first."""

    def __init__(self, rng: random.Random, vocabulary: Vocabulary, size: int) -> None:
        self._rng = rng
        self._vocabulary = vocabulary
        self.accounts = [self._account(number) for number in range(size)]
        self._by_activity = ZipfTable(self.accounts, _ACTIVITY_EXPONENT, _ACTIVITY_OFFSET)

    def _account(self, number: int) -> Account:
        rng = self._rng
        language = _LANGUAGES[int(rng.random() * len(_LANGUAGES))]
        return Account(random_did(rng), self.new_handle(number), language, int(rng.random() * CLOCK_IDS))

    def new_handle(self, number: int) -> str:
        """A handle that nobody has: `number` must never have been used. One in nine is a domain of the account's own."""
        names, rng = self._vocabulary.names, self._rng
        name = names[int(rng.random() * len(names))]
        label = "".join(letter for letter in name if letter.isascii())
        return f"{label}{number}.example" if rng.random() < 1 / 9 else f"{label}{number}.bsky.social"

    def author(self) -> Account:
        """An active account, the more often the more active it is."""
        while True:
            account = self._by_activity.draw(self._rng)
            if account.active:
                return account

    def other_than(self, account: Account) -> Account:
        """Another active account."""
        while True:
            other = self.author()
            if other is not account:
                return other
