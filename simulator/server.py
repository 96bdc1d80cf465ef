"""The server: `/subscribe` as Jetstream v1 serves it, and `/healthz`."""

import asyncio
import errno
import http
import json
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing, closing, nullcontext, suppress
from datetime import timedelta
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from simulator.activity import Schedule
from simulator.errors import PortTakenError, SimulatorError, SubscriptionError
from simulator.feeder import Feeder
from simulator.frames_file import read_frames
from simulator.generator import Generator
from simulator.ledger import Ledger
from simulator.options import SimulatorOptions
from simulator.reader import Reader
from simulator.subscription import parse_subscription
from simulator.timeline import Timeline

# What may wait in a connection's own buffer: about a block.
_WRITE_LIMIT_BYTES = 1 << 18
_PING_SECONDS = 30
_CLOSE_SECONDS = 1
_MEGABYTE = 1_000_000


def now_us() -> int:
    """This machine's clock, microseconds since 1970."""
    return time.time_ns() // 1000


class Frontend:
    """Answers requests from one timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what is not a subscription, and refuse wrong ones; None lets the upgrade go on."""
        parts = urlsplit(request.path)
        if parts.path == "/healthz":
            return self._health()
        if parts.path != "/subscribe":
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"{parts.path}: use /subscribe or /healthz\n")
        try:
            parse_subscription(parts.query)
        except (SubscriptionError, ValueError) as error:
            return connection.respond(http.HTTPStatus.BAD_REQUEST, f"{error}\n")
        return None

    def _health(self) -> Response:
        state = {"status": "ok", "live": self._timeline.live_from is not None, "events": self._timeline.length}
        body = json.dumps(state).encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"})
        return Response(http.HTTPStatus.OK.value, http.HTTPStatus.OK.phrase, headers, body)

    async def handle(self, connection: ServerConnection) -> None:
        """Serve one subscriber until either side closes."""
        assert connection.request is not None
        reader = Reader(self._timeline, parse_subscription(urlsplit(connection.request.path).query))
        sending = asyncio.create_task(self._send(connection, reader))
        listening = asyncio.create_task(_listen(connection))
        try:
            done, _ = await asyncio.wait((sending, listening), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            sending.cancel()
            listening.cancel()
            await asyncio.gather(sending, listening, return_exceptions=True)

    async def _send(self, connection: ServerConnection, reader: Reader) -> None:
        """Write the frames, many at a time. They are complete frames, so that pings and closes may come between two writes."""
        with suppress(ConnectionError):
            async with aclosing(reader.chunks()) as chunks:
                async for chunk in chunks:
                    if connection.state is not State.OPEN:
                        return
                    connection.transport.write(chunk)
                    await connection.drain()
                    # A client that keeps up never makes `drain` wait; the others want their turn too.
                    await asyncio.sleep(0)


async def _listen(connection: ServerConnection) -> None:
    """Discard what the client says; returns when it has left."""
    with suppress(ConnectionClosed):
        async for _ in connection:
            pass


async def open_port(options: SimulatorOptions, frontend: Frontend) -> Server:
    """Listen. Raises PortTakenError."""
    where = f"port {options.port} on {options.host}"
    try:
        return await serve_websockets(
            frontend.handle,
            options.host,
            options.port,
            process_request=frontend.process_request,
            # Frames are made beforehand, the same for all.
            compression=None,
            write_limit=_WRITE_LIMIT_BYTES,
            ping_interval=_PING_SECONDS,
            # A subscriber that does not read for a while is a matter of TCP, and no reason to drop it.
            ping_timeout=None,
            close_timeout=_CLOSE_SECONDS,
        )
    except socket.gaierror as error:
        raise PortTakenError(f"host {options.host}: {error.strerror}; use an address of this machine") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"{where} is taken; stop what listens there or choose another with --port") from error
        raise PortTakenError(f"{where}: {error.strerror or error}; choose another with --host or --port") from error


def _feeder(options: SimulatorOptions, timeline: Timeline, ledger: Ledger | None, clock: Callable[[], int]) -> Feeder:
    epoch_us = clock() if options.epoch_us is None else options.epoch_us
    schedule = Schedule.until(epoch_us, options.history, options.history_rate, options.live_rate, options.live)
    recorded = read_frames(options.file) if options.file is not None else iter(())
    happens = options.live_rate > 0 or (options.history > timedelta(0) and options.history_rate > 0)
    generator = Generator(options.seed, schedule, options.accounts) if happens else None
    return Feeder(timeline, ledger, clock, recorded, generator)


async def serve(
    options: SimulatorOptions,
    *,
    stop: asyncio.Event,
    ready: asyncio.Event | None = None,
    on_listening: Callable[[int], None] | None = None,
    on_live: Callable[[int], None] | None = None,
    clock: Callable[[], int] = now_us,
) -> None:
    """Serve until `stop` is set.

    ready: set once the port answers, which with `pregenerate` is when the history is complete. on_listening: called then with
    the port. on_live: called with the number of events when the history is complete. Raises SimulatorError.
    """
    with (
        closing(Timeline(options.keep_mb * _MEGABYTE)) as timeline,
        Ledger(options.ledger) if options.ledger is not None else nullcontext() as ledger,
    ):
        feeder = _feeder(options, timeline, ledger, clock)
        if options.pregenerate and not await _unless_stopped(feeder.catch_up(), stop):
            return
        async with await open_port(options, Frontend(timeline)) as server:
            if on_listening is not None:
                on_listening(next(iter(server.sockets)).getsockname()[1])
            if ready is not None:
                ready.set()
            await _unless_stopped(_feed(feeder, timeline, on_live), stop)


async def _feed(feeder: Feeder, timeline: Timeline, on_live: Callable[[int], None] | None) -> None:
    if timeline.live_from is None:
        await feeder.catch_up()
    if on_live is not None:
        on_live(timeline.length)
    await feeder.follow()


async def _unless_stopped(work: Coroutine[None, None, None], stop: asyncio.Event) -> bool:
    """Do `work`, or cancel it when `stop` is set. True: it is done. Raises SimulatorError and what `work` raises."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        working.result()
        return True
    except OSError as error:
        raise SimulatorError(
            f"the timeline cannot be stored: {error.strerror}; make room in the temporary folder"
        ) from error
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
