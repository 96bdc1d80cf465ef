"""What tests of a running ingester share: settings, frames, what lies in Redis, and starting and stopping one."""

import asyncio
import contextlib
import functools
import json
import time
from collections.abc import AsyncIterator, Callable

import zstandard
from prometheus_client import CollectorRegistry

from bluelake.buffer.chunks import decode_chunk
from bluelake.buffer.client import Buffer
from bluelake.core.clock import now_us
from bluelake.core.metrics import INGEST_METRICS, QUEUE_NAMES, Metrics
from bluelake.core.settings import Settings
from ingest.ingester import Ingester
from tests.support.frames import commit_frame

START_US = now_us() - 60_000_000
REWIND_SECONDS = 2


def frames(first: int, count: int) -> list[bytes]:
    """`count` likes, a hundredth of a second apart, numbered from `first`."""
    return [_frame(number) for number in range(first, first + count)]


@functools.cache
def _frame(number: int) -> bytes:
    time_us = START_US + number * 10_000
    return commit_frame(rkey=f"3k{number:05d}", rev=time_us << 10, time_us=time_us)


def rkeys(buffer: Buffer) -> set[str]:
    """The rkeys of what is held."""
    return set(map(_rkey, held(buffer)))


def expected(first: int, last: int) -> set[str]:
    """The rkeys of frames `first` up to `last`, that left out."""
    return set(map(_rkey, frames(first, last - first)))


@functools.cache
def _rkey(frame: bytes) -> str:
    return str(json.loads(frame)["commit"]["rkey"])


@functools.cache
def trained(identity: int = 0) -> zstandard.ZstdCompressionDict:
    """A dictionary for such frames, with the number `identity`, or with one of its own."""
    samples: list[bytes | bytearray | memoryview[int]] = [*frames(0, 2000)]
    return zstandard.train_dictionary(8192, samples, dict_id=identity)


def held(buffer: Buffer) -> list[bytes]:
    """Every frame in the queues of events, in order, once a delivery."""
    return [
        line
        for queue in QUEUE_NAMES
        if queue not in ("gaps", "rejects")
        for entry in buffer.read(queue, 0, 10**9)
        for line in decode_chunk(entry.chunk.z).splitlines()
    ]


def notices(buffer: Buffer, queue: str) -> list[dict[str, object]]:
    """The ingester's own notices in `queue`, in order."""
    return [
        json.loads(line) for entry in buffer.read(queue, 0, 10**9) for line in decode_chunk(entry.chunk.z).splitlines()
    ]


class Run:
    """An ingester that is running."""

    def __init__(self, settings: Settings, buffer: Buffer) -> None:
        self.metrics = Metrics(INGEST_METRICS, CollectorRegistry())
        self.ingester = Ingester(settings, buffer, self.metrics)
        self.task = asyncio.create_task(self.ingester.run())

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value now."""
        value = self.metrics.registry.get_sample_value(name, labels)
        assert value is not None
        return value

    async def stop(self) -> None:
        """Stop it, and wait until it has."""
        self.ingester.stop()
        await asyncio.wait_for(self.task, 60)


@contextlib.asynccontextmanager
async def running(settings: Settings, buffer: Buffer) -> AsyncIterator[Run]:
    """An ingester that runs until the block ends."""
    run = Run(settings, buffer)
    try:
        yield run
    finally:
        await run.stop()


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until `condition` holds; TimeoutError after `seconds`.

    What is waited for runs on the same event loop, so a slow condition is asked less often.
    """
    async with asyncio.timeout(seconds):
        began = time.perf_counter()
        while not condition():
            await asyncio.sleep(max(0.01, 2 * (time.perf_counter() - began)))
            began = time.perf_counter()


def tuned(settings: Settings, *urls: str, **more: object) -> Settings:
    """`settings` for hosts at `urls`, with short times."""
    return settings.model_copy(
        update={
            "jetstream_urls": urls,
            "jetstream_start": str(START_US),
            "rewind_seconds": REWIND_SECONDS,
            "flush_seconds": 0.05,
            **more,
        }
    )


def reported(settings: Settings) -> str:
    """The status that the ingester reported last."""
    path = settings.home / "status" / "ingest.json"
    return path.read_text() if path.exists() else ""
