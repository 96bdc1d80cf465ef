"""Commits: what active accounts do to their repositories."""

import random

from harness.simulator import events
from harness.simulator.composer import Composer
from harness.simulator.events import Commit, Event
from harness.simulator.identifiers import CLOCK_IDS, CidSource, tid_number, tid_text
from harness.simulator.moments import with_milliseconds, with_offset
from harness.simulator.population import Account, Population
from harness.simulator.posts import Feed, Post
from harness.simulator.records import LiveRecord, RecordPool

# How many records of each collection are remembered for later deletes, and what share of deletes each has.
_POOLS = {
    events.LIKE: (40_000, 44),
    events.FOLLOW: (20_000, 30),
    events.POST: (20_000, 16),
    events.REPOST: (10_000, 7),
    events.BLOCK: (5_000, 2),
    events.PROFILE: (5_000, 1),
}
_PERCENT = 100
# Clients' clocks: createdAt is up to this much before or after the time of the record's key.
_CLIENT_SKEW_US = 1_500_000
_VIA_SHARE = 0.22
_REPLY_SHARE = 0.42
_QUOTE_SHARE = 0.07
_BOT_SHARE = 0.03
# Profiles: the others have no createdAt, as those of the network's first year.
_DATED_PROFILES = 0.9
_PINNING = 0.1
# Posts that were there before the timeline begins: somebody has to be liked first.
_EARLIER_POSTS = 600
_EARLIER_SPAN_US = 6 * 3600 * 1_000_000


class Commits:
    """Makes commits. Every method takes the moment at which Jetstream sees the event, microseconds since 1970."""

    def __init__(
        self, rng: random.Random, population: Population, composer: Composer, cids: CidSource, start_us: int
    ) -> None:
        self._rng = rng
        self._random = rng.random
        self._population = population
        self._composer = composer
        self._cids = cids
        self.feed = Feed(rng)
        """The posts that people react to."""
        self._pools = {collection: RecordPool(rng, capacity) for collection, (capacity, _) in _POOLS.items()}
        self._deleted_collections = [name for name, (_, percent) in _POOLS.items() for _ in range(percent)]
        for number in range(_EARLIER_POSTS):
            self._publish_earlier(start_us - _EARLIER_SPAN_US + number * _EARLIER_SPAN_US // _EARLIER_POSTS)

    def _publish_earlier(self, time_us: int) -> None:
        account = self._population.author()
        rkey = tid_text(tid_number(time_us, account.clock_id))
        self.feed.publish(Post(account, rkey, self._cids.record(), with_milliseconds(time_us)))

    def commit(self, account: Account, time_us: int, collection: str, rkey: str | None = None) -> tuple[Commit, int]:
        """The next commit of `account`, with a new record's key unless one is given, and when that key was made."""
        time_us = account.next_time(time_us)
        key_us, rev_us = account.next_commit(self._rng, time_us)
        rev_number = tid_number(rev_us, account.clock_id)
        if rkey is None:
            # The client makes a post's key, with a clock of its own; the host that of other records.
            clock_id = account.clock_id if collection != events.POST else int(self._random() * CLOCK_IDS)
            rkey = tid_text(tid_number(key_us, clock_id))
        return Commit(account.did, time_us, collection, rkey, tid_text(rev_number), rev_number), key_us

    def claimed(self, key_us: int) -> str:
        """What a client says in `createdAt` of a record whose key was made then."""
        return with_milliseconds(key_us + int((self._random() * 2 - 1) * _CLIENT_SKEW_US))

    def _reaction(self, account: Account, post: Post, time_us: int, collection: str) -> tuple[Event, str, str]:
        commit, key_us = self.commit(account, time_us, collection)
        created_at, cid = self.claimed(key_us), self._cids.record()
        via, via_truth = "", ',"via_did":null,"via_rkey":null'
        if post.via and self._random() < _VIA_SHARE:
            via, via_truth = post.via, post.via_truth
        record = f'{{"$type":"{collection}","createdAt":"{created_at}","subject":{post.ref}{via}}}'
        event = events.record_event(commit, "create", record, cid, created_at, post.subject_truth + via_truth)
        self.feed.engage(post)
        self._pools[collection].add(LiveRecord(account, commit.rkey))
        return event, commit.rkey, cid

    def like(self, time_us: int) -> Event:
        """A like, a fifth of them by way of a repost."""
        return self._reaction(self._population.author(), self.feed.pick(), time_us, events.LIKE)[0]

    def repost(self, time_us: int) -> Event:
        """A repost."""
        account, post = self._population.author(), self.feed.pick()
        event, rkey, cid = self._reaction(account, post, time_us, events.REPOST)
        post.reposted(account, rkey, cid)
        return event

    def _relation(self, time_us: int, collection: str) -> Event:
        account = self._population.author()
        subject = self._population.other_than(account).did
        commit, key_us = self.commit(account, time_us, collection)
        created_at = self.claimed(key_us)
        record = f'{{"$type":"{collection}","createdAt":"{created_at}","subject":"{subject}"}}'
        self._pools[collection].add(LiveRecord(account, commit.rkey))
        fields = f'"subject_did":"{subject}"'
        return events.record_event(commit, "create", record, self._cids.record(), created_at, fields)

    def follow(self, time_us: int) -> Event:
        """A follow."""
        return self._relation(time_us, events.FOLLOW)

    def block(self, time_us: int) -> Event:
        """A block."""
        return self._relation(time_us, events.BLOCK)

    def post(self, time_us: int) -> Event:
        """A post, which may start a thread, reply or quote."""
        account = self._population.author()
        commit, key_us = self.commit(account, time_us, events.POST)
        created_at = with_offset(key_us) if self._random() < _BOT_SHARE else self.claimed(key_us)
        parent = self._react(_REPLY_SHARE)
        quoted = self._react(_QUOTE_SHARE)
        draft = self._composer.post(account, parent, quoted)
        cid = self._cids.record()
        post = Post(account, commit.rkey, cid, created_at, parent, quoted)
        self.feed.publish(post)
        self._pools[events.POST].add(LiveRecord(account, commit.rkey, post))
        return events.record_event(commit, "create", draft.record(created_at), cid, created_at, draft.truth(cid))

    def _react(self, share: float) -> Post | None:
        if self._random() >= share:
            return None
        post = self.feed.pick()
        self.feed.engage(post)
        return post

    def update_post(self, time_us: int) -> Event:
        """A new version of a post: same key and time of creation, new rev, CID and text."""
        found = self._pools[events.POST].peek()
        if found is None or found.post is None:
            return self.post(time_us)
        post = found.post
        commit, _ = self.commit(found.account, time_us, events.POST, found.rkey)
        draft = self._composer.post(found.account, post.parent, post.quoted)
        post.change(self._cids.record())
        return events.record_event(
            commit, "update", draft.record(post.created_at), post.cid, post.created_at, draft.truth(post.cid)
        )

    def profile(self, time_us: int) -> Event:
        """A profile: created if the account has none, else updated."""
        account = self._population.author()
        commit, key_us = self.commit(account, time_us, events.PROFILE, "self")
        operation = "update" if account.has_profile else "create"
        if not account.has_profile:
            account.has_profile = True
            account.profile_created_at = self.claimed(key_us) if self._random() < _DATED_PROFILES else None
            self._pools[events.PROFILE].add(LiveRecord(account, "self"))
        created_at, cid = account.profile_created_at, self._cids.record()
        draft = self._composer.profile(account, self.feed.pick() if self._random() < _PINNING else None)
        return events.record_event(commit, operation, draft.record(created_at), cid, created_at, draft.truth(cid))

    def delete(self, time_us: int) -> Event:
        """A delete of a record that the timeline created earlier, of any collection; a like where there is none yet."""
        collection = self._deleted_collections[int(self._random() * _PERCENT)]
        found = self._pools[collection].take()
        if found is None:
            return self.like(time_us)
        if found.post is not None:
            found.post.deleted = True
        if collection == events.PROFILE:
            found.account.has_profile = False
        commit, _ = self.commit(found.account, time_us, collection, found.rkey)
        return events.delete_event(commit)

    def delete_older(self, time_us: int, age_us: int) -> Event | None:
        """A delete of a record that is at least that old; None where none is found."""
        before = tid_text(tid_number(time_us - age_us, 0))
        for collection in (events.LIKE, events.POST, events.FOLLOW, events.REPOST, events.BLOCK):
            found = self._pools[collection].take(before)
            if found is not None:
                if found.post is not None:
                    found.post.deleted = True
                commit, _ = self.commit(found.account, time_us, collection, found.rkey)
                return events.delete_event(commit)
        return None

    def forget(self, account: Account) -> None:
        """Neither update nor delete what the account has so far: its repository was reset."""
        account.has_profile = False
        for pool in self._pools.values():
            pool.forget(account)
