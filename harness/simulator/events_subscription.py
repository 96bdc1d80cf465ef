"""What a subscriber asks for: the query of v2's `subscribeEvents`. Its rules and limits are those of the lexicon."""

from dataclasses import dataclass
from urllib.parse import parse_qs

from harness.simulator.envelopes import KINDS
from harness.simulator.errors import SubscriptionError
from harness.simulator.events import SYNC
from harness.simulator.subscription import MOST_COLLECTIONS, MOST_DIDS, parse_collections, parse_dids

_MOST_KINDS = 4
_LARGEST_UINT32 = 2**32 - 1
_LARGEST_INT64 = 2**63 - 1
_WITHOUT_COLLECTION = frozenset({"identity", "account"})


@dataclass(frozen=True, slots=True)
class EventsSubscription:
    """What a subscriber wants; an empty set wants everything, and the filters are ANDed.

    prefixes: NSID prefixes that end with a dot. cursor: a seq, or, from 10^15 on, microseconds since 1970; None for live only.
    most_bytes: of a frame before compression; 0: no limit. dictionary: the id of the dictionary to compress with; None: plain.
    """

    kinds: frozenset[str] = frozenset()
    collections: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    dids: frozenset[str] = frozenset()
    cursor: int | None = None
    most_bytes: int = 0
    dictionary: int | None = None

    def wants_collection(self, name: str) -> bool:
        """Whether commits to a collection are wanted, resets (`#sync`), or identity or account events (empty name)."""
        if name == SYNC:
            return not self.kinds or "sync" in self.kinds
        if not name:
            return not self.kinds or bool(self.kinds & _WITHOUT_COLLECTION)
        if self.kinds and "commit" not in self.kinds:
            return False
        if not (self.collections or self.prefixes):
            return True
        return name in self.collections or name.startswith(self.prefixes)


def parse_events_subscription(query: str) -> EventsSubscription:
    """The subscription of a query string. Raises SubscriptionError, which names the parameter."""
    values = parse_qs(query, keep_blank_values=True, max_num_fields=MOST_COLLECTIONS + MOST_DIDS + 100)
    kinds = values.get("kinds", [])
    for kind in kinds:
        if kind not in KINDS:
            raise SubscriptionError(f"kinds={kind[:200]}: use {', '.join(sorted(KINDS))}")
    if len(kinds) > _MOST_KINDS:
        raise SubscriptionError(f"kinds: more than {_MOST_KINDS}")
    names, prefixes = parse_collections("collections", values.get("collections", []))
    if (names or prefixes) and kinds and "commit" not in kinds:
        raise SubscriptionError("collections: kinds excludes commit, so that they could never apply")
    return EventsSubscription(
        kinds=frozenset(kinds),
        collections=names,
        prefixes=prefixes,
        dids=parse_dids("dids", values.get("dids", [])),
        cursor=_integer(values, "cursor", 0, _LARGEST_INT64),
        most_bytes=_integer(values, "maxMessageSizeBytes", 0, _LARGEST_UINT32) or 0,
        dictionary=_integer(values, "zstdDictionary", 1, _LARGEST_UINT32),
    )


def _integer(values: dict[str, list[str]], name: str, least: int, most: int) -> int | None:
    if name not in values:
        return None
    text = values[name][0]
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and least <= int(text) <= most):
        raise SubscriptionError(f"{name}={text[:200]}: use an integer from {least} to {most}")
    return int(text)
