"""What a host answers on its port: subscriptions, `/healthz`, and `/control` where faults are allowed."""

import http
from urllib.parse import SplitResult, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from simulator.errors import ControlError, LedgerError, SubscriptionError
from simulator.faults import Faults
from simulator.host import Host
from simulator.reader import Reader
from simulator.responses import respond_json, respond_text
from simulator.subscriber import Subscriber
from simulator.subscription import parse_subscription
from simulator.wires import PlainWire, ShiftedWire

_CONTROL = "/control/"


class Frontend:
    """Answers the requests to one host. control: whether faults can be switched on."""

    def __init__(self, host: Host, *, control: bool = False) -> None:
        self.host = host
        self._faults = Faults(host)
        self._control = control

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what is not a subscription, and refuse wrong ones; None lets the upgrade go on."""
        parts = urlsplit(request.path)
        if parts.path == "/healthz":
            return self._health()
        if parts.path.startswith(_CONTROL):
            return self._answer_control(parts)
        if parts.path != "/subscribe":
            return respond_text(http.HTTPStatus.NOT_FOUND, f"{parts.path}: use /subscribe or /healthz")
        if (status := self._faults.refusal) is not None:
            return respond_text(status, "refused on demand")
        try:
            parse_subscription(parts.query)
        except (SubscriptionError, ValueError) as error:
            return respond_text(http.HTTPStatus.BAD_REQUEST, str(error))
        return None

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
        subscriber = self._subscriber(connection)
        self._faults.subscribers.add(subscriber)
        try:
            await subscriber.serve()
        finally:
            self._faults.subscribers.discard(subscriber)

    def _subscriber(self, connection: ServerConnection) -> Subscriber:
        assert connection.request is not None
        host = self.host
        subscription = parse_subscription(urlsplit(connection.request.path).query)
        wire = ShiftedWire(host.offset_us) if host.offset_us else PlainWire()
        reader = Reader(
            host.timeline,
            subscription,
            wire=wire,
            origin=host.replay_from(subscription.cursor),
            withheld=host.withheld,
        )
        return Subscriber(connection, reader, wire, self._faults.pace)
