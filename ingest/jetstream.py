"""One connection to a Jetstream host on the v1 wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import Event, State

from ingest.errors import HostError
from ingest.frames import WANTED_COLLECTIONS

# Frames that may wait between the socket and the reader before the socket is paused.
RECEIVE_QUEUE = 4096
# A frame over the accepted size is rejected one by one up to here; past it the connection has to end.
LARGEST_MESSAGE_BYTES = 256 << 20
OPEN_TIMEOUT_SECONDS = 15


class FrameStream(ClientConnection):
    """A client connection whose messages are taken many at a time.

    `recv` costs a coroutine a message, a third of what receiving one costs in all. Here messages gather in a list while the
    event loop reads the socket, and `take` hands the list over. Past RECEIVE_QUEUE messages the socket is paused.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._gathered: list[bytes] = []
        self._fragments: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._held_back = False

    def process_event(self, event: Event) -> None:
        """Gather what belongs to a message; the library sees to the rest."""
        # By identity and the usual case first: this runs for every message.
        if type(event) is not Frame or (event.opcode is not Opcode.TEXT and event.opcode not in DATA_OPCODES):
            super().process_event(event)
            return
        data = event.data if type(event.data) is bytes else bytes(event.data)
        if not event.fin or self._fragments:
            self._fragments.append(data)
            if not event.fin:
                return
            data = b"".join(self._fragments)
            self._fragments.clear()
        self._gathered.append(data)
        if len(self._gathered) >= RECEIVE_QUEUE and not self._held_back:
            self._held_back = True
            self.transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for messages learns that there are no more."""
        super().connection_lost(exc)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def take_now(self) -> list[bytes]:
        """Every message that has come and has not been taken."""
        taken, self._gathered = self._gathered, []
        if self._held_back:
            self._held_back = False
            self.transport.resume_reading()
        return taken

    async def take(self) -> list[bytes]:
        """The same, at least one. Raises ConnectionClosed once the connection has ended and all is taken."""
        while not self._gathered:
            if self.state is State.CLOSED:
                raise self.protocol.close_exc
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.take_now()


def host_name(url: str) -> str:
    """The name under which a host's cursor is kept."""
    return urlsplit(url).netloc


def subscription_url(url: str, cursor_us: int | None) -> str:
    """`url` with the wanted collections and, unless None, the cursor, beside what it already asks for."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in ("cursor", "wantedCollections")]
    query += [("wantedCollections", collection) for collection in WANTED_COLLECTIONS]
    if cursor_us is not None:
        query.append(("cursor", str(cursor_us)))
    return urlunsplit(parts._replace(query=urlencode(query)))


@asynccontextmanager
async def open_stream(url: str, cursor_us: int | None) -> AsyncIterator[FrameStream]:
    """A connection that serves events from `cursor_us` on. Raises HostError."""
    try:
        connection = await connect(
            subscription_url(url, cursor_us),
            compression=None,
            max_size=LARGEST_MESSAGE_BYTES,
            create_connection=FrameStream,
            open_timeout=OPEN_TIMEOUT_SECONDS,
            close_timeout=1,
        )
    except InvalidStatus as error:
        raise HostError(f"{host_name(url)} refused with HTTP {error.response.status_code}") from error
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
        raise HostError(f"{host_name(url)} cannot be reached: {error}") from error
    assert isinstance(connection, FrameStream)
    try:
        yield connection
    finally:
        await connection.close()
