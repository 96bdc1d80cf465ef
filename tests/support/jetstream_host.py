"""A Jetstream host in the test's own process: replays what it has from a cursor, then what it is given."""

import asyncio
import http
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import zstandard
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

V1_PATH = "/subscribe"
V2_PATH = "/xrpc/network.bsky.jetstream.subscribeEvents"
DICTIONARY_PATH = "/xrpc/network.bsky.jetstream.getZstdDictionary"


class JetstreamHost:
    """One host; how it behaves is set by its attributes, at any time.

    `wires`: which it speaks. `cursors`: those that it was asked for, `queries` the whole questions, `paths` their paths.
    `clock_us`: what its clock is ahead by. `first_seq`: the sequence number of its first frame; others follow in steps of 3.
    `floor_us`: it serves nothing older. `withheld`: spans of (base) time that it never serves. `silent`: it sends nothing.
    `imported`: frames with a time that an operator has imported; a cursor counts the time of the frame before.
    `heeds_largest`: it leaves out what is larger than was asked for.
    `refusal`: HTTP status, body and headers in place of a handshake, so many times as `refusals` says, or until it is taken
    back. `no_endpoint`: the status for a wire that it does not speak.
    `credentials`: the Authorization header that it wants, empty for none.
    `echoes_nothing`: it answers to every handshake with an empty subprotocol.
    `spoil`: makes that answer an odd one. `dictionary`: what it compresses with.
    """

    def __init__(self, *wires: str) -> None:
        self.wires = wires or ("v1",)
        self.frames: list[bytes] = []
        self.cursors: list[int | None] = []
        self.queries: list[dict[str, list[str]]] = []
        self.paths: list[str] = []
        self.url = ""
        self.clock_us = 0
        self.first_seq = 1
        self.floor_us = 0
        self.withheld: list[tuple[int, int]] = []
        self.imported: set[bytes] = set()
        self.silent = False
        self.heeds_largest = True
        self.refusal: tuple[int, str, Mapping[str, str]] | None = None
        self.refusals: int | None = None
        self.no_endpoint = 404
        self.spoil: Callable[[Response], None] | None = None
        self.echoes_nothing = False
        self.subprotocol: Subprotocol | None = Subprotocol("xrpc.v1.json")
        self.dictionary: zstandard.ZstdCompressionDict | None = None
        self.offered: bytes | None = None
        self.dictionaries_given = 0
        self.credentials = ""
        self._grown = asyncio.Condition()
        self._ended = False
        self._connections: set[ServerConnection] = set()

    @property
    def name(self) -> str:
        """The name under which its cursor is kept."""
        return self.url.split("/")[2]

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

    def seq(self, number: int) -> int:
        """The sequence number of frame `number`."""
        return self.first_seq + 3 * number

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """What the host says to an HTTP request before, or in place of, a websocket."""
        parts = urlsplit(request.path)
        if self.credentials and request.headers.get("Authorization") != self.credentials:
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "who are you?\n")
        if parts.path == DICTIONARY_PATH:
            return self._give_dictionary(connection)
        spoken = {V1_PATH: "v1", V2_PATH: "v2"}.get(parts.path)
        self.paths.append(parts.path)
        if spoken not in self.wires:
            return connection.respond(http.HTTPStatus(self.no_endpoint), "no such endpoint\n")
        query = parse_qs(parts.query)
        cursor = int(query["cursor"][0]) if "cursor" in query else None
        self.queries.append(query)
        self.cursors.append(cursor)
        if self.refusal is not None:
            status, body, headers = self.refusal
            if self.refusals is not None:
                self.refusals -= 1
                self.refusal = self.refusal if self.refusals else None
            response = self._refuse(connection, status, body, headers)
            if self.spoil is not None:
                self.spoil(response)
            return response
        if spoken == "v2" and cursor is not None and cursor < 10**15 and cursor < self._floor_seq():
            return self._refuse(connection, 400, '{"error":"CursorTooOld","message":"gone"}')
        asked = query.get("zstdDictionary")
        if asked and (self.dictionary is None or int(asked[0]) != self.dictionary.dict_id()):
            return self._refuse(connection, 400, '{"error":"UnknownZstdDictionary","message":"another"}')
        return None

    def complete(self, connection: ServerConnection, request: Request, response: Response) -> None:
        """Add to its answer to a handshake."""
        if self.echoes_nothing and response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS:
            response.headers["Sec-WebSocket-Protocol"] = ""

    def _refuse(
        self, connection: ServerConnection, status: int, body: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        response = connection.respond(http.HTTPStatus(status), body)
        for name, value in (headers or {}).items():
            response.headers[name] = value
        return response

    def _give_dictionary(self, connection: ServerConnection) -> Response:
        self.dictionaries_given += 1
        content = self.offered
        if content is None and self.dictionary is not None:
            content = self.dictionary.as_bytes()
        if content is None:
            return connection.respond(http.HTTPStatus.NOT_FOUND, "none\n")
        response = connection.respond(http.HTTPStatus.OK, "")
        del response.headers["Content-Length"]
        response.headers["Content-Length"] = str(len(content))
        response.body = content
        return response

    def _floor_seq(self) -> int:
        held = [number for number, frame in enumerate(self.frames) if _time_us(frame) >= self.floor_us]
        return self.seq(held[0] if held else len(self.frames))

    async def serve(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        assert connection.request is not None
        is_v2 = urlsplit(connection.request.path).path == V2_PATH
        query = parse_qs(urlsplit(connection.request.path).query)
        cursor = int(query["cursor"][0]) if "cursor" in query else None
        largest = int(query.get("maxMessageSizeBytes", ["0"])[0]) if self.heeds_largest else 0
        largest = largest or sys.maxsize
        compressor = None
        if self.dictionary is not None and ("zstdDictionary" in query or query.get("compress") == ["true"]):
            compressor = zstandard.ZstdCompressor(dict_data=self.dictionary)
        self._connections.add(connection)
        try:
            if is_v2 and cursor is not None and 10**15 <= cursor < self.floor_us:
                await self._send(connection, compressor, _message("info", {"name": "OutdatedCursor", "message": "x"}))
            sent, witnessed_us = 0, 0
            while not self._ended:
                async with self._grown:
                    await self._grown.wait_for(partial(self._has_more_than, sent))
                for number, frame in enumerate(self.frames[sent:], start=sent):
                    sent += 1
                    witnessed_us = witnessed_us if frame in self.imported else _time_us(frame)
                    if len(frame) <= largest and self._serves(witnessed_us, self.seq(number), cursor):
                        served = shifted(frame, self.clock_us)
                        await self._send(connection, compressor, as_v2(served, self.seq(number)) if is_v2 else served)
        except ConnectionClosed:
            pass
        finally:
            self._connections.discard(connection)

    def _has_more_than(self, sent: int) -> bool:
        return len(self.frames) > sent or self._ended

    def _serves(self, time_us: int, seq: int, cursor: int | None) -> bool:
        if self.silent or time_us < self.floor_us or any(first <= time_us < last for first, last in self.withheld):
            return False
        if cursor is None:
            return True
        return time_us + self.clock_us >= cursor if cursor >= 10**15 else seq >= cursor

    async def _send(
        self, connection: ServerConnection, compressor: zstandard.ZstdCompressor | None, frame: bytes
    ) -> None:
        if compressor is None:
            await connection.send(frame, text=True)
        else:
            await connection.send(compressor.compress(frame))


def _time_us(frame: bytes) -> int:
    try:
        return int(json.loads(frame)["time_us"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return 2**62


def shifted(frame: bytes, clock_us: int) -> bytes:
    """A v1 frame as a host whose clock is ahead by `clock_us` serves it."""
    time_us = _time_us(frame)
    return frame.replace(b'"time_us":%d' % time_us, b'"time_us":%d' % (time_us + clock_us)) if clock_us else frame


def as_v2(frame: bytes, seq: int) -> bytes:
    """A v1 frame on the v2 wire; what is none stays as it is."""
    try:
        event: dict[str, Any] = json.loads(frame)
        kind, time_us = event["kind"], event["time_us"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return frame
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    body = {"seq": seq, "did": event["did"], "time": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    body |= event["commit"] if kind == "commit" else {kind: event[kind]}
    return _message(kind, body)


def _message(kind: str, body: dict[str, Any]) -> bytes:
    payload = {"$type": f"network.bsky.jetstream.subscribeEvents#{kind}", **body}
    message = {"$type": "message", "payload": payload}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


@asynccontextmanager
async def jetstream_host(*wires: str, path: bool = True) -> AsyncIterator[JetstreamHost]:
    """A listening host on a port of its own, on the v1 wire unless told otherwise; with `path` the URL tells the wire."""
    host = JetstreamHost(*wires)
    async with serve(
        host.serve,
        "127.0.0.1",
        0,
        compression=None,
        process_request=host.answer,
        process_response=host.complete,
        select_subprotocol=lambda connection, offered: (
            host.subprotocol if offered and not host.echoes_nothing else None
        ),
        max_size=None,
    ) as server:
        port = server.sockets[0].getsockname()[1]
        host.url = f"ws://127.0.0.1:{port}" + ((V2_PATH if host.wires == ("v2",) else V1_PATH) if path else "")
        try:
            yield host
        finally:
            await host.end()
