"""A Jetstream host in the test's own process: replays what it has from a cursor, then what it is given."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


class JetstreamHost:
    """One host. `cursors` are those that it was asked for; `drop` ends all connections."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.cursors: list[int | None] = []
        self.queries: list[dict[str, list[str]]] = []
        self.url = ""
        self._grown = asyncio.Condition()
        self._ended = False
        self._connections: set[ServerConnection] = set()

    async def give(self, *frames: bytes) -> None:
        """Serve `frames` to everybody, now and in later replays."""
        async with self._grown:
            self.frames += frames
            self._grown.notify_all()

    async def drop(self) -> None:
        """End all connections without a close handshake."""
        for connection in list(self._connections):
            connection.transport.abort()

    async def end(self) -> None:
        """Serve nobody any more."""
        async with self._grown:
            self._ended = True
            self._grown.notify_all()

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        query = parse_qs(urlsplit(connection.request.path).query)
        cursor = int(query["cursor"][0]) if "cursor" in query else None
        self.queries.append(query)
        self.cursors.append(cursor)
        self._connections.add(connection)
        try:
            sent = 0
            while not self._ended:
                async with self._grown:
                    await self._grown.wait_for(lambda seen=sent: len(self.frames) > seen or self._ended)
                for frame in self.frames[sent:]:
                    sent += 1
                    if cursor is None or _time_us(frame) >= cursor:
                        await connection.send(frame, text=True)
        except ConnectionClosed:
            pass
        finally:
            self._connections.discard(connection)


def _time_us(frame: bytes) -> int:
    try:
        return int(json.loads(frame)["time_us"])
    except (ValueError, KeyError, TypeError):
        return 2**62


@asynccontextmanager
async def jetstream_host() -> AsyncIterator[JetstreamHost]:
    """A listening host on a port of its own."""
    host = JetstreamHost()
    async with serve(host._serve, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        host.url = f"ws://127.0.0.1:{port}/subscribe"
        try:
            yield host
        finally:
            await host.end()
