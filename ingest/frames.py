"""Both wires share this: queues, the times that an event may claim, and the answers that a wire gives for a frame."""

from dataclasses import dataclass
from typing import Literal, Protocol

from bluelake.core.reasons import RejectReason
from bluelake.core.watermark import Cursor

QUEUE_OF_COLLECTION: dict[str, str] = {
    "app.bsky.feed.post": "posts",
    "app.bsky.feed.like": "likes",
    "app.bsky.feed.repost": "reposts",
    "app.bsky.graph.follow": "follows",
    "app.bsky.graph.block": "blocks",
    "app.bsky.actor.profile": "profiles",
}
WANTED_COLLECTIONS = tuple(QUEUE_OF_COLLECTION)
# 1971. An operator may import records of any age. A time in seconds or milliseconds reads as one of January 1970.
EARLIEST_US = 31_536_000_000_000

WireName = Literal["v1", "v2"]
# The queue of an event, its frame in the v1 shape, its time in microseconds since 1970, and on v2 its sequence number.
Routed = tuple[str, bytes, int, int | None]


@dataclass(frozen=True)
class Rejected:
    """A frame that is not an event, and why."""

    reason: RejectReason


@dataclass(frozen=True)
class Notice:
    """A message of a host about the stream itself. `is_error`: it ends the stream."""

    name: str
    message: str
    is_error: bool


class Wire(Protocol):
    """How one kind of host is asked, and how its frames are read.

    `latest_us`: the latest time that an event may claim. The decoder moves it on.
    """

    latest_us: int

    @property
    def name(self) -> WireName:
        """Which wire it is."""

    @property
    def subprotocol(self) -> str | None:
        """The websocket subprotocol that the host has to speak."""

    def subscription_url(self, url: str, position: Cursor, dictionary_id: int | None) -> str:
        """`url` with the wanted collections, `position`, and the compression dictionary unless None. Its own query stays."""

    def route(self, frame: bytes) -> Routed | Rejected | Notice:
        """The event in `frame`, or why there is none."""


def out_of_time(time_us: int, latest_us: int) -> Rejected:
    """Why an event with a time outside of EARLIEST_US to `latest_us` is refused."""
    return Rejected(RejectReason.TIME_IN_FUTURE if time_us > latest_us else RejectReason.TIME_OUT_OF_RANGE)
