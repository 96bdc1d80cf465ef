"""The posts that people see: recent ones, and those that are already popular."""

import random

from harness.simulator.population import Account

_RECENT_POSTS = 4096
_RECENT_LIKES = 16_384
# This share of engagement goes to posts in proportion to the engagement that they had: the rich get richer.
_PREFERENTIAL_SHARE = 0.75


def at_uri(did: str, collection: str, rkey: str) -> str:
    """The AT-URI of a record. https://atproto.com/specs/at-uri-scheme"""
    return f"at://{did}/{collection}/{rkey}"


class Post:
    """A post as others refer to it, much of it as ready-made JSON, since likes come by the million.

    parent: what it replies to. root: the post that started its thread, None where it is that one itself.
    ref: how records refer to it. subject_truth: the same for the ledger.
    via, via_truth: its latest repost, as a like that came by way of it says; empty before the first.
    """

    __slots__ = (
        "account",
        "cid",
        "created_at",
        "deleted",
        "parent",
        "quoted",
        "ref",
        "rkey",
        "root",
        "subject_truth",
        "via",
        "via_truth",
    )

    def __init__(
        self,
        account: Account,
        rkey: str,
        cid: str,
        created_at: str,
        parent: "Post | None" = None,
        quoted: "Post | None" = None,
    ) -> None:
        self.account = account
        self.rkey = rkey
        self.created_at = created_at
        self.parent = parent
        self.quoted = quoted
        self.root: Post | None = parent and (parent.root or parent)
        self.deleted = False
        self.via = ""
        self.via_truth = ""
        self.subject_truth = (
            f'"subject_did":"{account.did}","subject_rkey":"{rkey}","subject_collection":"app.bsky.feed.post"'
        )
        self.change(cid)

    def change(self, cid: str) -> None:
        """Take the CID of a new version."""
        self.cid = cid
        self.ref = f'{{"cid":"{cid}","uri":"{at_uri(self.account.did, "app.bsky.feed.post", self.rkey)}"}}'

    def reposted(self, account: Account, rkey: str, cid: str) -> None:
        """Note who reposted it last: part of its likes come by way of that repost."""
        uri = at_uri(account.did, "app.bsky.feed.repost", rkey)
        self.via = f',"via":{{"cid":"{cid}","uri":"{uri}"}}'
        self.via_truth = f',"via_did":"{account.did}","via_rkey":"{rkey}"'


class Feed:
    """Chooses the posts that are liked, reposted, quoted and replied to."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng.random
        self._recent: list[Post] = []
        self._newest = -1
        self._engaged: list[Post] = []
        self._next_engaged = 0

    def publish(self, post: Post) -> None:
        """Add a new post; the oldest falls out."""
        if len(self._recent) < _RECENT_POSTS:
            self._recent.append(post)
            self._newest = len(self._recent) - 1
        else:
            self._newest = (self._newest + 1) % _RECENT_POSTS
            self._recent[self._newest] = post

    def engage(self, post: Post) -> None:
        """Count a like, a repost, a quote or a reply: the post will be seen by more people."""
        if len(self._engaged) < _RECENT_LIKES:
            self._engaged.append(post)
        else:
            self._engaged[self._next_engaged] = post
            self._next_engaged = (self._next_engaged + 1) % _RECENT_LIKES

    def pick(self) -> Post:
        """A post that somebody reacts to, hardly ever a deleted one. Raises IndexError when nothing was published."""
        post = self._pick()
        return self._pick() if post.deleted else post

    def _pick(self) -> Post:
        random_, engaged = self._random, self._engaged
        if engaged and random_() < _PREFERENTIAL_SHARE:
            return engaged[int(random_() * len(engaged))]
        recent = self._recent
        # Newer posts are seen more: the cube of a uniform number is below 1/8 half the time.
        return recent[(self._newest - int(random_() ** 3 * len(recent))) % len(recent)]
