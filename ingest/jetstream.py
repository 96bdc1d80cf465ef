"""How a connection to a Jetstream host is opened, on the wire that it speaks."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, NegotiationError
from websockets.http11 import Response
from websockets.typing import Subprotocol

from bluelake.core.reasons import HostFault
from bluelake.core.urls import shown, without_credentials
from bluelake.core.watermark import Cursor
from ingest import wire_v1, wire_v2
from ingest.errors import HostError
from ingest.frames import Wire, WireName
from ingest.receive import LARGEST_MESSAGE_BYTES, FrameStream

OPEN_TIMEOUT_SECONDS = 15
LONGEST_RETRY_AFTER_SECONDS = 300.0
_FAULT_OF_ERROR = {
    "CursorTooOld": HostFault.CURSOR_TOO_OLD,
    "UnknownZstdDictionary": HostFault.UNKNOWN_DICTIONARY,
}
# HTTP statuses of a host that has nothing at a path. Any other refusal may pass.
NO_ENDPOINT = (404, 405, 501)
_PATHS: dict[WireName, str] = {"v1": wire_v1.PATH, "v2": wire_v2.PATH}


@dataclass(frozen=True)
class Request:
    """A request to a host: its wire, the position to begin at, and the compression dictionary (None: plain)."""

    url: str
    wire: Wire
    position: Cursor
    dictionary_id: int | None = None


def host_name(url: str) -> str:
    """The name under which a host's cursor is kept and shown: its address without user and password."""
    return without_credentials(urlsplit(url).netloc)


def wire_of_path(url: str) -> WireName | None:
    """The wire of a URL's path. None without a path: then the host has to be asked."""
    path = urlsplit(url).path.rstrip("/")
    if not path:
        return None
    return "v2" if path.endswith(wire_v2.LEXICON) else "v1"


def with_path(url: str, wire: WireName) -> str:
    """`url` with the wire's usual path, where it has none."""
    parts = urlsplit(url)
    return url if parts.path.rstrip("/") else urlunsplit(parts._replace(path=_PATHS[wire]))


def lacks_wire(error: HostError) -> bool:
    """Whether a host has shown with `error` that it does not have the wire that it was asked for."""
    return error.status in NO_ENDPOINT or error.fault is HostFault.WRONG_SUBPROTOCOL


@asynccontextmanager
async def open_stream(request: Request) -> AsyncIterator[FrameStream]:
    """A connection that serves `request`. Raises HostError."""
    host, wire = host_name(request.url), request.wire
    wanted = None if wire.subprotocol is None else [Subprotocol(wire.subprotocol)]
    try:
        connection = await connect(
            wire.subscription_url(with_path(request.url, wire.name), request.position, request.dictionary_id),
            compression=None,
            max_size=LARGEST_MESSAGE_BYTES,
            create_connection=FrameStream,
            subprotocols=wanted,
            open_timeout=OPEN_TIMEOUT_SECONDS,
            close_timeout=1,
            # While reading is paused no answer to a ping would be seen. A silent host is left anyway.
            ping_interval=None,
        )
    except InvalidStatus as error:
        raise _refusal(host, error.response) from error
    except NegotiationError as error:
        raise HostError(HostFault.WRONG_SUBPROTOCOL, f"{host} speaks another subprotocol: {error}") from error
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ValueError, LookupError) as error:
        # The last two come from invalid headers, and from invalid addresses in redirects.
        raise HostError(HostFault.UNREACHABLE, f"{host} cannot be reached: {shown(str(error))}") from error
    assert isinstance(connection, FrameStream)
    try:
        if connection.subprotocol != wire.subprotocol and not connection.echoed_nothing:
            raise HostError(HostFault.WRONG_SUBPROTOCOL, f"{host} does not speak {wire.subprotocol}")
        yield connection
    finally:
        await connection.close()


def _refusal(host: str, response: Response) -> HostError:
    """The error that an HTTP answer in place of a websocket means."""
    status, name, message = response.status_code, "", ""
    with contextlib.suppress(ValueError, RecursionError):
        body = msgspec.json.decode(bytes(response.body or b""), type=dict[str, object])
        name, message = str(body.get("error", "")), str(body.get("message", ""))[:200]
    fault = HostFault.UNAVAILABLE if status >= 500 or status == 429 else HostFault.REFUSED
    if status == 400:
        fault = _FAULT_OF_ERROR.get(name, fault)
    retry_after = 0.0
    seconds = next(iter(response.headers.get_all("Retry-After")), "")
    if fault is HostFault.UNAVAILABLE and seconds.isdecimal():
        retry_after = min(float(seconds), LONGEST_RETRY_AFTER_SECONDS)
    told = f": {name} {message}".rstrip() if name else ""
    return HostError(fault, f"{host} refused with HTTP {status}{told}", status=status, retry_after_seconds=retry_after)
