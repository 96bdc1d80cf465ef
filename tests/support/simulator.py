"""A simulator inside a test, its clients and its ledger, and reading identifiers in the test's own way."""

import asyncio
import base64
import http.client
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from harness.simulator.events import Event
from harness.simulator.options import SimulatorOptions
from harness.simulator.server import now_us, serve

START_US = 1_783_175_888_000_000  # 2026-07-04T14:38:08Z
TIMEOUT_SECONDS = 60
NSID = "network.bsky.jetstream.subscribeEvents"


@asynccontextmanager
async def running(
    options: SimulatorOptions, clock: Callable[[], int] = now_us, *, until_live: bool = False
) -> AsyncIterator[int]:
    """A simulator that answers; gives its first host's port. until_live: wait until its history is complete."""
    async with running_hosts(options, clock, until_live=until_live) as ports:
        yield ports[0]


@asynccontextmanager
async def running_hosts(
    options: SimulatorOptions, clock: Callable[[], int] = now_us, *, until_live: bool = False
) -> AsyncIterator[list[int]]:
    """A simulator that answers; gives its hosts' ports. until_live: wait until its history is complete."""
    stop, ready, live = asyncio.Event(), asyncio.Event(), asyncio.Event()
    ports: list[int] = []
    serving = asyncio.create_task(
        serve(options, stop=stop, ready=ready, on_listening=ports.append, on_live=lambda _: live.set(), clock=clock)
    )
    awaited = asyncio.create_task((live if until_live else ready).wait())
    try:
        await asyncio.wait((serving, awaited), return_when=asyncio.FIRST_COMPLETED, timeout=TIMEOUT_SECONDS)
        if serving.done():
            await serving
        assert len(ports) == options.hosts, "the simulator did not listen"
        yield ports
    finally:
        awaited.cancel()
        stop.set()
        await asyncio.wait_for(serving, TIMEOUT_SECONDS)


def subscribe(port: int, query: str = "") -> connect:
    """A client's connection to `/subscribe`."""
    return connect(
        f"ws://127.0.0.1:{port}/subscribe?{query}", compression=None, max_size=None, max_queue=1024, close_timeout=1
    )


async def take(connection: ClientConnection, count: int) -> list[bytes]:
    """The next `count` frames."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        return [await connection.recv(decode=False) for _ in range(count)]


def listen(port: int, query: str = "", *, offered: bool = True) -> connect:
    """A client's connection to `subscribeEvents`."""
    subprotocols = [Subprotocol("other"), Subprotocol("xrpc.v1.json")] if offered else None
    uri = f"ws://127.0.0.1:{port}/xrpc/{NSID}?{query}"
    return connect(uri, subprotocols=subprotocols, compression=None, max_size=None, max_queue=1024, close_timeout=1)


async def receive(connection: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next `count` messages."""
    return [json.loads(frame) for frame in await take(connection, count)]


async def control(port: int, request: str) -> dict[str, Any]:
    """What a host answers to `/control/<request>`, which it has to accept."""
    status, body = await get(port, f"/control/{request}")
    assert status == 200, body
    answer: dict[str, Any] = json.loads(body)
    return answer


async def get(port: int, path: str) -> tuple[int, str]:
    """Status and body of a plain GET."""

    def request() -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    return await asyncio.to_thread(request)


@dataclass(frozen=True)
class Generated:
    """Events, their frames and their truths, read again as JSON."""

    events: list[Event]
    frames: list[dict[str, Any]]
    truths: list[dict[str, Any]]


def ledger_lines(path: Path) -> list[dict[str, Any]]:
    """A ledger's lines."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def read_tid(text: str) -> int:
    """A TID's bits, worked out digit by digit. Raises ValueError where it is none."""
    alphabet = "234567abcdefghijklmnopqrstuvwxyz"
    if len(text) != 13 or alphabet.index(text[0]) > 15:
        raise ValueError(f"{text}: not a TID")
    number = 0
    for digit in text:
        number = number * 32 + alphabet.index(digit)
    return number


def read_cid(text: str) -> bytes:
    """The bytes of a CIDv1 in base32. Raises ValueError where it is none."""
    if len(text) != 59 or text[0] != "b" or text != text.lower():
        raise ValueError(f"{text}: not a CIDv1 of a SHA-256 in base32")
    content = base64.b32decode(text[1:].upper() + "=" * (-len(text[1:]) % 8))
    if base64.b32encode(content).decode().lower().rstrip("=") != text[1:]:
        raise ValueError(f"{text}: padding bits are not 0")
    return content
