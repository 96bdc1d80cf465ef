"""Jetstream hosts in a thread of their own, for commands that are called from outside an event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager

from harness.simulator.options import SimulatorOptions
from tests.support.frames import NOON_US, SECOND_US
from tests.support.jetstream_host import jetstream_host
from tests.support.simulator import running


@asynccontextmanager
async def host_with(served: list[bytes], wire: str) -> AsyncIterator[str]:
    async with jetstream_host(wire, path=wire == "v1") as host:
        await host.give(*served)
        yield host.url


@asynccontextmanager
async def simulated(options: SimulatorOptions) -> AsyncIterator[str]:
    async with running(options, lambda: NOON_US + 660 * SECOND_US) as port:
        yield f"ws://127.0.0.1:{port}"


def serving(served: list[bytes], wire: str = "v1") -> AbstractContextManager[str]:
    """A Jetstream host with a replay of `served`; its URL, which tells the wire where that is v1."""
    return beside(host_with(served, wire))


@contextmanager
def beside(host: AbstractAsyncContextManager[str]) -> Iterator[str]:
    """A host in a thread of its own; its URL."""
    ready, done = threading.Event(), threading.Event()
    urls: list[str] = []

    async def run() -> None:
        async with host as url:
            urls.append(url)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield urls[0]
    finally:
        done.set()
        thread.join()
