"""A websocket connection whose messages are taken many at a time.

The library runs one coroutine for each frame and another one for each message. Together they are four fifths of the cost of a
message. A Jetstream host sends hundreds of small, whole, unmasked data frames (RFC 6455 §5.2) in one read of the socket. This
module cuts those out of the bytes. Everything else goes to the library frame by frame, as if it had read the socket itself: the
handshake, pings, fragments, closes and protocol errors.
"""

import asyncio
import re
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import Event, State

# Messages that may wait between the socket and the reader before the socket is paused.
RECEIVE_QUEUE = 4096
# The same in bytes.
RECEIVE_BYTES = 32 << 20
# Messages over the accepted size are rejected one by one up to here. A larger one ends the connection.
LARGEST_MESSAGE_BYTES = 256 << 20
# The rest of a larger frame goes to the library as it comes. The library does not copy it again at each read.
LARGE_FRAME_BYTES = 1 << 20
# FIN, and opcode 1 (text) or 2 (binary).
_WHOLE_DATA = b"\x81\x82"
_LENGTH_16, _MASKED = 126, 128
_LENGTH_BYTES = {_LENGTH_16: 2, 127: 8}
_END_OF_HEADERS = b"\r\n\r\n"
_LONGEST_HEADERS = 1 << 16
# An answer that names no subprotocol in this header. The library takes it for a wrong one.
_EMPTY_ECHO = re.compile(rb"(?<=\r\n)Sec-WebSocket-Protocol:[ \t]*\r\n", re.IGNORECASE)


class FrameStream(ClientConnection):
    """A client connection with `take` in place of `recv`. Past RECEIVE_QUEUE messages or RECEIVE_BYTES the socket is paused.

    `echoed_nothing`: the host has answered to the wish for a subprotocol, and named none.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.echoed_nothing = False
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._fragments: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._held_back = False
        # The library reads everything until the handshake is over, and again once the connection is about to end.
        self._library_reads, self._shaken = True, False
        # The beginning of something that has not come whole yet: the headers, or a frame.
        self._begun = b""
        # Bytes still to come of a frame whose beginning the library has.
        self._owed = 0

    def data_received(self, data: bytes) -> None:
        """Gather the whole data frames in `data`. The library gets the rest."""
        if self._library_reads:
            data = self._shake_hands(data)
        elif self._owed:
            owed, data = data[: self._owed], data[self._owed :]
            self._owed -= len(owed)
            super().data_received(owed)
        if data:
            self._gather(data)

    def eof_received(self) -> None:
        """Give the library the frame that was cut off, so that it can tell the error."""
        begun, self._begun, self._library_reads = self._begun, b"", True
        if begun:
            super().data_received(begun)
        super().eof_received()

    def _shake_hands(self, data: bytes) -> bytes:
        """Give the library the host's answer. Returns the frames that came right behind it."""
        if self._shaken:
            super().data_received(data)
            return b""
        self._begun += data
        end = self._begun.find(_END_OF_HEADERS)
        if end < 0 and len(self._begun) < _LONGEST_HEADERS:
            return b""
        headers = self._begun if end < 0 else self._begun[: end + len(_END_OF_HEADERS)]
        frames, self._begun = self._begun[len(headers) :], b""
        named = _EMPTY_ECHO.sub(b"", headers)
        self.echoed_nothing = named != headers
        super().data_received(named)
        self._shaken = True
        if self.state is State.OPEN:
            self._library_reads = False
            return frames
        if frames:
            super().data_received(frames)
        return b""

    def _gather(self, data: bytes) -> None:
        self._gathered_bytes += len(data)
        if self._begun:
            data, self._begun = self._begun + data, b""
        gather, fragments = self._gathered.append, self._fragments
        position, size = 0, len(data)
        while size - position >= 2:
            length, start = data[position + 1], position + 2
            if length >= _LENGTH_16:
                start += _LENGTH_BYTES.get(length, 0)
                if start > size:
                    break
                if length < _MASKED:
                    length = int.from_bytes(data[position + 2 : start], "big")
            end = start + length
            if (
                data[position] in _WHOLE_DATA
                and length < LARGE_FRAME_BYTES
                and data[position + 1] < _MASKED
                and not fragments
            ):
                if end > size:
                    break
                gather(data[start:end])
            else:
                self._hand_over(data[position:end], end - size)
                if self._library_reads:
                    super().data_received(data[end:])
                    return
            position = end
        self._begun = data[position:]
        self._hold_back()
        self._wake()

    def _hand_over(self, frame: bytes, missing: int) -> None:
        """Let the library read one frame, of which `missing` bytes have yet to come where that is above 0."""
        self._owed = max(missing, 0)
        super().data_received(frame)
        if self.state is not State.OPEN or self.protocol.close_expected():
            self._library_reads = True

    def process_event(self, event: Event) -> None:
        """Gather the data frames that the library has read. It handles the others."""
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
        self._gathered_bytes += len(data)
        self._hold_back()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the reader: there are no more messages."""
        super().connection_lost(exc)
        self._wake()

    def _hold_back(self) -> None:
        enough = len(self._gathered) >= RECEIVE_QUEUE or self._gathered_bytes >= RECEIVE_BYTES
        if enough and self._gathered and not self._held_back:
            self._held_back = True
            self.transport.pause_reading()

    def _wake(self) -> None:
        ready = self._gathered or self.state is State.CLOSED
        if ready and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def take_now(self) -> list[bytes]:
        """Every message that has come and has not been taken."""
        taken, self._gathered, self._gathered_bytes = self._gathered, [], 0
        if self._held_back:
            self._held_back = False
            self.transport.resume_reading()
        return taken

    async def take(self) -> list[bytes]:
        """The same, at least one message. Raises ConnectionClosed once the connection has ended and all messages are taken."""
        while not self._gathered:
            if self.state is State.CLOSED:
                raise self.protocol.close_exc
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.take_now()
