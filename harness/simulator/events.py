"""One event: the frame that is served, and the line that the ledger keeps of it.

Both are written from the same values, side by side, so that the ledger never depends on reading a frame. The frames have the
shape and the key order of https://github.com/bluesky-social/jetstream, v1.
"""

from typing import NamedTuple

LIKE = "app.bsky.feed.like"
POST = "app.bsky.feed.post"
REPOST = "app.bsky.feed.repost"
FOLLOW = "app.bsky.graph.follow"
BLOCK = "app.bsky.graph.block"
PROFILE = "app.bsky.actor.profile"

# What a reset of a repository is filed under. No collection has such a name.
SYNC = "#sync"

TABLES = {LIKE: "likes", POST: "posts", REPOST: "reposts", FOLLOW: "follows", BLOCK: "blocks", PROFILE: "profiles"}


class Event(NamedTuple):
    """An event of the timeline.

    frame: the JSON that is served, UTF-8. time_us: its time, microseconds since 1970. collection, did: what subscribers
    filter by, empty where the event has none. truth: its line of the ledger, JSON without the line's end.
    """

    frame: bytes
    time_us: int
    collection: str
    did: str
    truth: str


class Commit(NamedTuple):
    """What every commit has. rev_number: the bits of the TID `rev`."""

    did: str
    time_us: int
    collection: str
    rkey: str
    rev: str
    rev_number: int


def record_event(commit: Commit, operation: str, record: str, cid: str, created_at: str | None, fields: str) -> Event:
    """A create or an update. record: its JSON. fields: what the ledger says beyond what every record has, JSON."""
    did, time_us, collection, rkey, rev, rev_number = commit
    created = "null" if created_at is None else f'"{created_at}"'
    frame = (
        f'{{"did":"{did}","time_us":{time_us},"kind":"commit","commit":{{"rev":"{rev}","operation":"{operation}"'
        f',"collection":"{collection}","rkey":"{rkey}","record":{record},"cid":"{cid}"}}}}'
    )
    truth = (
        f'{{"source":"generated","table":"{TABLES[collection]}","time_us":{time_us},"did":"{did}","kind":"commit"'
        f',"operation":"{operation}","collection":"{collection}","rkey":"{rkey}","rev":"{rev}","rev_int":{rev_number}'
        f',"created_at":{created},{fields}}}'
    )
    return Event(frame.encode(), time_us, collection, did, truth)


def delete_event(commit: Commit) -> Event:
    """A record's delete."""
    did, time_us, collection, rkey, rev, rev_number = commit
    frame = (
        f'{{"did":"{did}","time_us":{time_us},"kind":"commit","commit":{{"rev":"{rev}","operation":"delete"'
        f',"collection":"{collection}","rkey":"{rkey}"}}}}'
    )
    truth = (
        f'{{"source":"generated","table":"deletes","time_us":{time_us},"did":"{did}","kind":"commit"'
        f',"operation":"delete","collection":"{collection}","rkey":"{rkey}","rev":"{rev}","rev_int":{rev_number}}}'
    )
    return Event(frame.encode(), time_us, collection, did, truth)


def identity_event(did: str, time_us: int, handle: str | None, seq: int, relayed_at: str) -> Event:
    """A handle that changed, or a notice to look it up again, which may come without the handle."""
    named = f'"handle":"{handle}",' if handle is not None else ""
    frame = (
        f'{{"did":"{did}","time_us":{time_us},"kind":"identity"'
        f',"identity":{{"did":"{did}",{named}"seq":{seq},"time":"{relayed_at}"}}}}'
    )
    shown = "null" if handle is None else f'"{handle}"'
    return Event(
        frame.encode(), time_us, "", did, _account_truth("identity", did, time_us, relayed_at, seq, handle=shown)
    )


def account_event(did: str, time_us: int, status: str | None, seq: int, relayed_at: str) -> Event:
    """An account that is active (status None), or why it is not."""
    active = "true" if status is None else "false"
    stated = "" if status is None else f',"status":"{status}"'
    frame = (
        f'{{"did":"{did}","time_us":{time_us},"kind":"account"'
        f',"account":{{"active":{active},"did":"{did}","seq":{seq}{stated},"time":"{relayed_at}"}}}}'
    )
    shown = "null" if status is None else f'"{status}"'
    truth = _account_truth("account", did, time_us, relayed_at, seq, active=active, status=shown)
    return Event(frame.encode(), time_us, "", did, truth)


def sync_event(commit: Commit, seq: int, relayed_at: str) -> Event:
    """A reset of a repository: what it had before that rev counts no more, unless it is served again."""
    did, time_us, _, _, rev, rev_number = commit
    frame = (
        f'{{"did":"{did}","time_us":{time_us},"kind":"sync","sync":{{"blocks":{{"$bytes":"OqJlcm9vdHOAZ3ZlcnNpb24B"}}'
        f',"did":"{did}","rev":"{rev}","seq":{seq},"time":"{relayed_at}"}}}}'
    )
    truth = (
        f'{{"source":"generated","table":"deletes","time_us":{time_us},"did":"{did}","kind":"sync"'
        f',"operation":"delete","collection":"*","rkey":"*","rev":"{rev}","rev_int":{rev_number}}}'
    )
    return Event(frame.encode(), time_us, SYNC, did, truth)


def _account_truth(
    kind: str,
    did: str,
    time_us: int,
    relayed_at: str,
    seq: int,
    *,
    handle: str = "null",
    active: str = "null",
    status: str = "null",
) -> str:
    return (
        f'{{"source":"generated","table":"accounts","time_us":{time_us},"did":"{did}","kind":"{kind}"'
        f',"created_at":"{relayed_at}","handle":{handle},"active":{active},"status":{status},"seq":{seq}}}'
    )
