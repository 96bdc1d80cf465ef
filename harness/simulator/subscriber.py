"""One subscriber of one host: frames go out as fast as it reads, unless a fault says otherwise."""

import asyncio
from contextlib import aclosing, suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from harness.simulator.blocks import BINARY_FRAME, websocket_frame
from harness.simulator.reader import Chunk, Reader
from harness.simulator.wires import Wire

# When a client does not even take what a cut connection still holds, it is cut all the same.
_CUT_SECONDS = 1.0
_POLICY_VIOLATION = 1008  # RFC 6455, 7.4.1


class Pace:
    """How a host serves at the moment: usually at once, at times not at all or slowly."""

    def __init__(self) -> None:
        self._stalled_until = 0.0
        self._slow_until = 0.0
        self._rate = 0.0

    def stall(self, seconds: float) -> None:
        """Serve nothing for so long, with the sockets open."""
        self._stalled_until = asyncio.get_running_loop().time() + seconds

    def slow(self, rate: float, seconds: float) -> None:
        """Serve at most `rate` events a second to each subscriber, for so long."""
        self._rate = rate
        self._slow_until = asyncio.get_running_loop().time() + seconds

    @property
    def most(self) -> int | None:
        """How many frames may go out at once; None: any number."""
        return max(1, int(self._rate / 10)) if asyncio.get_running_loop().time() < self._slow_until else None

    async def before(self) -> None:
        """Wait as long as nothing is served."""
        loop = asyncio.get_running_loop()
        while (left := self._stalled_until - loop.time()) > 0:
            await asyncio.sleep(left)

    async def after(self, frames: int) -> None:
        """Wait until the next frames may follow so many."""
        # A client that keeps up never makes `drain` wait; the others want their turn too.
        await asyncio.sleep(frames / self._rate if self.most is not None else 0)


class Subscriber:
    """A connection that is being served. greeting: websocket frames that come first."""

    def __init__(
        self, connection: ServerConnection, reader: Reader, wire: Wire, pace: Pace, greeting: bytes = b""
    ) -> None:
        self.connection = connection
        self.reader = reader
        self.wire = wire
        self._pace = pace
        self._greeting = greeting
        self._sending: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Serve until either side closes, or a fault does. Raises OSError when the timeline cannot be read."""
        self._sending = asyncio.create_task(self._send())
        listening = asyncio.create_task(_listen(self.connection))
        try:
            done, _ = await asyncio.wait((self._sending, listening), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled():
                    task.result()
            if self._sending in done and not listening.done() and self._sending.cancelled():
                await asyncio.wait((listening,))
        finally:
            self._sending.cancel()
            listening.cancel()
            await asyncio.gather(self._sending, listening, return_exceptions=True)

    async def _send(self) -> None:
        """Write the frames, many at a time. They are complete frames, so that pings and closes may come between two writes."""
        if self._greeting:
            self._write(self._greeting)
        self.reader.most = self._pace.most
        with suppress(ConnectionError):
            async with aclosing(self.reader.chunks()) as chunks:
                async for chunk in chunks:
                    await self._pace.before()
                    if not self.is_open:
                        return
                    self._write(chunk)
                    await self.connection.drain()
                    await self._pace.after(self.reader.last_frames)
                    self.reader.most = self._pace.most

    def _write(self, chunk: Chunk) -> None:
        self.connection.transport.write(chunk)

    @property
    def is_open(self) -> bool:
        """Whether frames can still be written."""
        return self.connection.state is State.OPEN and not self.connection.transport.is_closing()

    def repace(self) -> None:
        """Take over a change of pace before the next frames."""
        self.reader.most = self._pace.most

    def inject(self, payload: bytes, *, packed: bool = True) -> None:
        """Send a payload that is not on the timeline, at once, between two frames that are. packed: compressed if they are."""
        if self.is_open:
            self._write(self.wire.message(payload) if packed else websocket_frame(payload, BINARY_FRAME))

    def cut(self, partial: bytes = b"") -> None:
        """Cut the TCP connection, without a close frame, after `partial`, the beginning of a websocket frame."""
        if not self.is_open:
            return
        self._stop()
        if not partial:
            self.connection.transport.abort()
            return
        self._write(partial)
        self.connection.transport.close()
        asyncio.get_running_loop().call_later(_CUT_SECONDS, self.connection.transport.abort)

    async def fail(self, name: str) -> None:
        """Tell of an error where the wire can, and close."""
        payload = self.wire.error(name)
        if payload is not None:
            self.inject(payload)
        self._stop()
        await self.connection.close(_POLICY_VIOLATION, name)

    def _stop(self) -> None:
        if self._sending is not None:
            self._sending.cancel()


async def _listen(connection: ServerConnection) -> None:
    """Discard what the client says; returns when it has left."""
    with suppress(ConnectionClosed):
        async for _ in connection:
            pass
