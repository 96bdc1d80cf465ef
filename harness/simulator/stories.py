"""Stories of a few events each, told between the ordinary ones: what a pipeline gets wrong that only ever sees easy cases.

| story | its events |
|---|---|
| a key used again | create, delete, create of one record, at times with the same content |
| an edit taken back | a post, another text, the first text and CID again: only rev and time tell the versions apart |
| there and back | an account that is deactivated, suspended, taken down or deleted, and active again |
| a late delete | of a record that is hours old, or that was never seen since it is older than the timeline |
| a reset | records, a `#sync`, some of them again with its rev or a later one; the others count no more |
| a doubled create | a record that is created twice, with two revs, at times with the same content; nothing was deleted |
| a resync | records, a `#sync`, most of them again as creates, all with its rev and at new times; the others count no more |
"""

import heapq
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from harness.simulator import events
from harness.simulator.activity import MICROSECONDS
from harness.simulator.commits import Commits
from harness.simulator.composer import Composer
from harness.simulator.events import Commit, Event
from harness.simulator.identifiers import CidSource, tid_number, tid_text
from harness.simulator.population import Account, Population
from harness.simulator.standing import Standing


class Step(NamedTuple):
    """An event of a story. make: given the moment at which Jetstream sees it, microseconds since 1970. away: told while the
    account is not active.
    """

    make: Callable[[int], Event]
    away: bool = False


Story = Iterator[Step]

_COLLECTIONS = (events.LIKE, events.POST, events.FOLLOW, events.REPOST, events.BLOCK)
_STATUSES = ("deactivated", "suspended", "takendown", "deleted")
# Between two events of a story: 10 ms to 10 s, so that they fall into one flush, into two, and into two drains.
_SHORTEST_GAP_US = 10_000
_GAP_DECADES = 3
_HOUR_US = 3600 * MICROSECONDS
_OLDEST_HOURS = 30
_RECORDS_RESET = 5
_SERVED_AGAIN = 3
_RECORDS_RESYNCED = 6
_RESYNCED_AGAIN = 4
# An account that went away between two events of its story may come back; not forever.
_PATIENCE_US = 5 * MICROSECONDS
_MOST_WAITS = 50
# Shares: of keys used again with the same content; of late deletes that are of a record of the timeline, if it has an old one.
_SAME_CONTENT = 0.5
_SEEN = 0.5


class Version(NamedTuple):
    """A record's content. truth: what the ledger says of it, JSON."""

    record: str
    cid: str
    created_at: str | None
    truth: str


class Record:
    """A record whose whole life is a story's. rkey: empty until it is written."""

    def __init__(self, commits: Commits, account: Account, collection: str) -> None:
        self._commits = commits
        self._account = account
        self.collection = collection
        self.rkey = ""

    def write(self, time_us: int, operation: str, version: Version, at: Commit | None = None) -> Event:
        """Create or update it. at: whose rev it has; None: a new one."""
        commit, _ = self._commits.commit(self._account, time_us, self.collection, self.rkey or None)
        self.rkey = commit.rkey
        if at is not None:
            commit = commit._replace(rev=at.rev, rev_number=at.rev_number)
        return events.record_event(commit, operation, version.record, version.cid, version.created_at, version.truth)

    def delete(self, time_us: int) -> Event:
        """Delete it."""
        commit, _ = self._commits.commit(self._account, time_us, self.collection, self.rkey)
        return events.delete_event(commit)


class _Pending(NamedTuple):
    due_us: int
    number: int
    account: Account
    story: Story
    step: Step
    waits: int


class Shares(NamedTuple):
    """The shares of the events that begin a story, by kind. hard: the hard cases, each as often."""

    resets: float = 0.0
    hard: float = 0.0
    doubled: float = 0.0
    resyncs: float = 0.0


class Stories:
    """Tells stories, drawn from `rng`."""

    def __init__(
        self,
        rng: random.Random,
        population: Population,
        composer: Composer,
        cids: CidSource,
        commits: Commits,
        standing: Standing,
        shares: Shares,
    ) -> None:
        self._rng = rng
        self._population = population
        self._composer = composer
        self._cids = cids
        self._commits = commits
        self._standing = standing
        self._until = list(accumulate(shares))
        self._pending: list[_Pending] = []
        self._numbers = 0
        self._now_us = 0
        self._hard_cases = (self._key_used_again, self._edit_taken_back, self._there_and_back, self._late_delete)
        self._others = (self._doubled_create, self._resync)

    def next_event(self, time_us: int) -> Event | None:
        """What a story has to tell at that moment; None: nothing."""
        self._now_us = time_us
        if self._pending and self._pending[0].due_us <= time_us:
            return self._continue(time_us)
        chance = self._rng.random()
        if chance >= self._until[-1]:
            return None
        account = self._population.author()
        kind = bisect_right(self._until, chance)
        tell = self._reset if kind == 0 else self._rng.choice(self._hard_cases) if kind == 1 else self._others[kind - 2]
        story = tell(account)
        return self._tell(account, story, next(story), time_us)

    def _tell(self, account: Account, story: Story, step: Step, time_us: int) -> Event:
        event = step.make(time_us)
        following = next(story, None)
        if following is not None:
            gap_us = int(_SHORTEST_GAP_US * 10 ** (self._rng.random() * _GAP_DECADES))
            self._wait(account, story, following, time_us + gap_us, 0)
        return event

    def _wait(self, account: Account, story: Story, step: Step, due_us: int, waits: int) -> None:
        self._numbers += 1
        heapq.heappush(self._pending, _Pending(due_us, self._numbers, account, story, step, waits))

    def _continue(self, time_us: int) -> Event | None:
        _, _, account, story, step, waits = heapq.heappop(self._pending)
        if account.active or step.away:
            return self._tell(account, story, step, time_us)
        if waits < _MOST_WAITS:
            self._wait(account, story, step, time_us + _PATIENCE_US, waits + 1)
        return None

    def _version(self, account: Account, collection: str) -> Version:
        created_at, cid = self._commits.claimed(max(account.time_us, self._now_us)), self._cids.record()
        if collection == events.POST:
            draft = self._composer.post(account, None, None)
            return Version(draft.record(created_at), cid, created_at, draft.truth(cid))
        if collection in (events.LIKE, events.REPOST):
            post = self._commits.feed.pick()
            subject, truth = post.ref, post.subject_truth + ',"via_did":null,"via_rkey":null'
        else:
            did = self._population.other_than(account).did
            subject, truth = f'"{did}"', f'"subject_did":"{did}"'
        return Version(
            f'{{"$type":"{collection}","createdAt":"{created_at}","subject":{subject}}}', cid, created_at, truth
        )

    def _key_used_again(self, account: Account) -> Story:
        collection = self._rng.choice(_COLLECTIONS)
        record = Record(self._commits, account, collection)
        first = self._version(account, collection)
        again = first if self._rng.random() < _SAME_CONTENT else self._version(account, collection)
        yield Step(lambda time_us: record.write(time_us, "create", first))
        yield Step(record.delete)
        yield Step(lambda time_us: record.write(time_us, "create", again))

    def _edit_taken_back(self, account: Account) -> Story:
        record = Record(self._commits, account, events.POST)
        first, other = self._version(account, events.POST), self._version(account, events.POST)
        yield Step(lambda time_us: record.write(time_us, "create", first))
        yield Step(lambda time_us: record.write(time_us, "update", other))
        yield Step(lambda time_us: record.write(time_us, "update", first))

    def _there_and_back(self, account: Account) -> Story:
        status = self._rng.choice(_STATUSES)
        yield Step(lambda time_us: self._standing.set_status(account, status, time_us))
        yield Step(lambda time_us: self._standing.set_status(account, None, time_us), away=True)

    def _late_delete(self, account: Account) -> Story:
        yield Step(lambda time_us: self._delete_late(account, time_us))

    def _delete_late(self, account: Account, time_us: int) -> Event:
        found = self._commits.delete_older(time_us, _HOUR_US) if self._rng.random() < _SEEN else None
        if found is not None:
            return found
        record = Record(self._commits, account, self._rng.choice(_COLLECTIONS))
        made_us = time_us - _HOUR_US * self._rng.randrange(_OLDEST_HOURS, 2 * _OLDEST_HOURS)
        record.rkey = tid_text(tid_number(made_us, account.clock_id))
        return record.delete(time_us)

    def _reset(self, account: Account) -> Story:
        records = [Record(self._commits, account, self._rng.choice(_COLLECTIONS)) for _ in range(_RECORDS_RESET)]
        versions = [self._version(account, record.collection) for record in records]
        for record, version in zip(records, versions, strict=True):
            yield Step(partial(record.write, operation="create", version=version))
        resets: list[Commit] = []
        yield Step(lambda time_us: self._sync(account, time_us, resets))
        for number, (record, version) in enumerate(zip(records[:_SERVED_AGAIN], versions, strict=False)):
            # The first with the rev of the reset itself, which is the least that counts.
            at = resets[0] if number == 0 else None
            yield Step(partial(record.write, operation="create", version=version, at=at))

    def _doubled_create(self, account: Account) -> Story:
        collection = self._rng.choice(_COLLECTIONS)
        record = Record(self._commits, account, collection)
        first = self._version(account, collection)
        again = first if self._rng.random() < _SAME_CONTENT else self._version(account, collection)
        yield Step(partial(record.write, operation="create", version=first))
        yield Step(partial(record.write, operation="create", version=again))

    def _resync(self, account: Account) -> Story:
        records = [Record(self._commits, account, self._rng.choice(_COLLECTIONS)) for _ in range(_RECORDS_RESYNCED)]
        versions = [self._version(account, record.collection) for record in records]
        for record, version in zip(records, versions, strict=True):
            yield Step(partial(record.write, operation="create", version=version))
        resets: list[Commit] = []
        yield Step(lambda time_us: self._sync(account, time_us, resets))
        # The repository is read anew at its head: what it still has comes with the head's rev.
        for record, version in zip(records[:_RESYNCED_AGAIN], versions, strict=False):
            yield Step(partial(record.write, operation="create", version=version, at=resets[0]))

    def _sync(self, account: Account, time_us: int, resets: list[Commit]) -> Event:
        self._commits.forget(account)
        commit, _ = self._commits.commit(account, time_us, "*", "*")
        resets.append(commit)
        return self._standing.sync(commit)
