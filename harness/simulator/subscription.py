"""What a subscriber asks for: the query of v1's `/subscribe`.

Rules and limits are those of Jetstream v1: https://github.com/bluesky-social/jetstream#consuming-jetstream
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from harness.simulator.errors import SubscriptionError
from harness.simulator.events import SYNC

MOST_COLLECTIONS = 100
MOST_DIDS = 10_000

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_NSID = re.compile(rf"[a-zA-Z](?:[a-zA-Z0-9-]{{0,61}}[a-zA-Z0-9])?(?:\.{_LABEL})+\.[a-zA-Z][a-zA-Z0-9]{{0,62}}")
_PREFIX = re.compile(rf"[a-zA-Z](?:[a-zA-Z0-9-]{{0,61}}[a-zA-Z0-9])?(?:\.{_LABEL})*\.\*")
_DID = re.compile(r"did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]")
_LARGEST_INT64 = 2**63 - 1
_NOT_SERVED = {"requireHello": "true"}


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a subscriber wants; an empty set wants everything.

    prefixes: NSID prefixes that end with a dot. cursor: where to begin, microseconds since 1970; None for live only. compress:
    whether frames come as binary messages, each compressed with the dictionary. resets: whether the host serves them on v1.
    """

    collections: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    dids: frozenset[str] = frozenset()
    cursor: int | None = None
    compress: bool = False
    resets: bool = False

    def wants_collection(self, name: str) -> bool:
        """Whether events of a collection are wanted. Identity and account events, which have none, always are."""
        if name == SYNC:
            return self.resets
        if not name or not (self.collections or self.prefixes):
            return True
        return name in self.collections or name.startswith(self.prefixes)


def parse_subscription(query: str) -> Subscription:
    """The subscription of a query string. Raises SubscriptionError, which names the parameter."""
    values = parse_qs(query, keep_blank_values=True, max_num_fields=MOST_COLLECTIONS + MOST_DIDS + 100)
    for name, value in _NOT_SERVED.items():
        if value in values.get(name, ()):
            raise SubscriptionError(f"{name}={value} is not served here; leave it out")
    names, prefixes = parse_collections("wantedCollections", values.get("wantedCollections", []))
    return Subscription(
        names,
        prefixes,
        parse_dids("wantedDids", values.get("wantedDids", [])),
        _cursor(values.get("cursor", [""])[0]),
        "true" in values.get("compress", ()),
    )


def parse_collections(parameter: str, values: list[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Names, and prefixes that end with a dot. Raises SubscriptionError."""
    names, prefixes = set(), set()
    for wanted in values:
        if _NSID.fullmatch(wanted):
            names.add(wanted)
        elif _PREFIX.fullmatch(wanted):
            prefixes.add(wanted.removesuffix("*"))
        else:
            raise SubscriptionError(f"{parameter}={wanted[:200]}: not an NSID or a prefix such as app.bsky.feed.*")
    if len(names) + len(prefixes) > MOST_COLLECTIONS:
        raise SubscriptionError(f"{parameter}: more than {MOST_COLLECTIONS}")
    return frozenset(names), tuple(sorted(prefixes))


def parse_dids(parameter: str, dids: list[str]) -> frozenset[str]:
    """Accounts. Raises SubscriptionError."""
    for did in dids:
        if not _DID.fullmatch(did):
            raise SubscriptionError(f"{parameter}={did[:200]}: not a DID such as did:plc:abc")
    if len(set(dids)) > MOST_DIDS:
        raise SubscriptionError(f"{parameter}: more than {MOST_DIDS}")
    return frozenset(dids)


def _cursor(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or abs(int(text)) > _LARGEST_INT64:
        raise SubscriptionError(f"cursor={text[:200]}: not a number of microseconds since 1970")
    return int(text)
