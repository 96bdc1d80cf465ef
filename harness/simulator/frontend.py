"""What a host answers on its port: both wires, the dictionary, `/healthz`, and `/control` where faults are allowed."""

import http
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import SplitResult, parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from harness.simulator.blocks import websocket_frame
from harness.simulator.dictionary import Dictionary
from harness.simulator.envelopes import EVENTS_NSID, SUBPROTOCOL, EnvelopeWire, outdated_cursor
from harness.simulator.errors import ControlError, LedgerError, SubscriptionError, UnknownDictionaryError
from harness.simulator.events_subscription import EventsSubscription, parse_events_subscription
from harness.simulator.faults import Faults
from harness.simulator.host import Host
from harness.simulator.reader import Origin, Reader
from harness.simulator.responses import respond, respond_json, respond_text
from harness.simulator.subscriber import Subscriber
from harness.simulator.subscription import Subscription, parse_subscription
from harness.simulator.wires import FrameWire, Pack, PlainWire, Wire, compressing

_CONTROL = "/control/"
_V1 = "/subscribe"
_V2 = f"/xrpc/{EVENTS_NSID}"
_DICTIONARY = "/xrpc/network.bsky.jetstream.getZstdDictionary"


class Frontend:
    """Answers the requests to one host. control: whether faults can be switched on. dictionary: shared by all hosts.
    v1_sync: whether v1 serves resets."""

    def __init__(
        self, host: Host, *, control: bool = False, dictionary: Dictionary | None = None, v1_sync: bool = False
    ) -> None:
        self.host = host
        self._v1_sync = v1_sync
        self._control = control
        self._dictionary = dictionary or Dictionary()
        self._faults = Faults(host, self._dictionary)

    async def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what is not a subscription, and refuse wrong ones; None lets the upgrade go on."""
        parts = urlsplit(request.path)
        if parts.path == "/healthz":
            return self._health()
        if parts.path == _DICTIONARY:
            return await self._answer_dictionary(parts.query)
        if parts.path.startswith(_CONTROL):
            return self._answer_control(parts)
        if parts.path not in (_V1, _V2):
            return respond_text(http.HTTPStatus.NOT_FOUND, f"{parts.path}: use {_V1}, {_V2} or /healthz")
        if (status := self._faults.refusal) is not None:
            return respond_text(status, "refused on demand")
        return self._refuse_subscription(parts)

    def _refuse_subscription(self, parts: SplitResult) -> Response | None:
        try:
            if parts.path == _V1:
                parse_subscription(parts.query)
            else:
                self._check_events(parse_events_subscription(parts.query))
        except (SubscriptionError, ValueError) as error:
            if parts.path == _V1:
                return respond_text(http.HTTPStatus.BAD_REQUEST, str(error))
            name = error.name if isinstance(error, SubscriptionError) else SubscriptionError.name
            return respond_json(http.HTTPStatus.BAD_REQUEST, {"error": name, "message": str(error)})
        return None

    def _check_events(self, subscription: EventsSubscription) -> None:
        """Raises SubscriptionError where it cannot be served."""
        self.host.check_cursor(subscription.cursor)
        if subscription.dictionary not in (None, self._dictionary.id):
            raise UnknownDictionaryError(
                f"no dictionary {subscription.dictionary}; the current one is {self._dictionary.id}"
            )

    def select_subprotocol(self, connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """v2's, if it is offered; the framing is the same if it is not."""
        assert connection.request is not None
        if (wrong := self._faults.subprotocol) is not None:
            return Subprotocol(wrong)
        wanted = Subprotocol(SUBPROTOCOL)
        return wanted if urlsplit(connection.request.path).path == _V2 and wanted in offered else None

    async def _answer_dictionary(self, query: str) -> Response:
        wanted = parse_qs(query, keep_blank_values=True).get("id", [str(self._dictionary.id)])[0]
        if wanted != str(self._dictionary.id):
            message = f"no dictionary {wanted[:100]}; the current one is {self._dictionary.id}"
            return respond_json(http.HTTPStatus.NOT_FOUND, {"error": UnknownDictionaryError.name, "message": message})
        content = (await self._dictionary.get()).as_bytes()
        return respond(http.HTTPStatus.OK, content, "application/octet-stream")

    def _answer_control(self, parts: SplitResult) -> Response:
        if not self._control:
            return respond_text(http.HTTPStatus.NOT_FOUND, f"{parts.path}: start the simulator with --faults")
        try:
            return respond_json(
                http.HTTPStatus.OK, self._faults.control(parts.path.removeprefix(_CONTROL), parts.query)
            )
        except ControlError as error:
            return respond_json(http.HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except LedgerError as error:
            return respond_json(http.HTTPStatus.INTERNAL_SERVER_ERROR, {"error": str(error)})

    def _health(self) -> Response:
        timeline = self.host.timeline
        return respond_json(
            http.HTTPStatus.OK,
            {"status": "ok", "live": timeline.live_from is not None, "events": timeline.length},
        )

    async def handle(self, connection: ServerConnection) -> None:
        """Serve one subscriber until either side closes."""
        assert connection.request is not None
        parts = urlsplit(connection.request.path)
        if parts.path == _V1:
            wanted = replace(parse_subscription(parts.query), resets=self._v1_sync)
            subscriber = await self._frames_subscriber(connection, wanted)
        else:
            subscriber = await self._events_subscriber(connection, parse_events_subscription(parts.query))
        self._faults.subscribers.add(subscriber)
        try:
            await subscriber.serve()
        finally:
            self._faults.subscribers.discard(subscriber)

    async def _frames_subscriber(self, connection: ServerConnection, subscription: Subscription) -> Subscriber:
        host = self.host
        wire: Wire
        if subscription.compress:
            wire = FrameWire(host.offset_us, compressing(await self._dictionary.get()))
        else:
            wire = FrameWire(host.offset_us) if host.offset_us else PlainWire()
        return self._subscriber(connection, subscription, wire, host.replay_from(subscription.cursor))

    async def _events_subscriber(self, connection: ServerConnection, subscription: EventsSubscription) -> Subscriber:
        host = self.host
        pack: Pack = websocket_frame
        if subscription.dictionary is not None:
            pack = compressing(await self._dictionary.get())
        wire = EnvelopeWire(host.offset_us, host.first_seq, subscription.kinds, subscription.most_bytes, pack)
        origin, moved_to = host.resume_from(subscription.cursor)
        greeting = wire.message(outdated_cursor(moved_to)) if moved_to is not None else b""
        return self._subscriber(connection, subscription, wire, origin, greeting)

    def _subscriber(
        self,
        connection: ServerConnection,
        wanted: Subscription | EventsSubscription,
        wire: Wire,
        origin: Origin,
        greeting: bytes = b"",
    ) -> Subscriber:
        host = self.host
        reader = Reader(host.timeline, wanted, wire=wire, origin=origin, withheld=host.withheld)
        return Subscriber(connection, reader, wire, self._faults.pace, greeting)
