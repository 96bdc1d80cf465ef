"""What the buffer costs in Redis: the memory that the server itself says an event takes."""

import redis as redis_client

from bluelake.buffer.chunks import ChunkEncoder
from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.core.watermark import Cursor
from harness.simulator.generator import generate_frames
from ingest.frames import Wire
from ingest.pending import Pending
from ingest.wire_v1 import WireV1
from ingest.wire_v2 import WireV2
from tests.support.frames import NOON_US
from tests.support.jetstream_host import as_v2
from tests.support.redis import RedisServer

LIVE_RATE = 600
EVENTS = 24_000
MOST_BYTES = 150
HOST = "jetstream2.us-east.bsky.network"


def measure(buffer: Buffer, server: RedisServer, wire: Wire, settings: Settings) -> float:
    """Put EVENTS of a live network into the buffer as the ingester does. Returns the bytes that an event takes."""
    with redis_client.Redis(port=server.port) as client:
        before = client.info("memory")["used_memory"]
        number = 0
        pending, flushed_us = Pending(), NOON_US
        for event, served in enumerate(generate_frames(EVENTS, start_us=NOON_US, rate=LIVE_RATE)):
            routed = wire.route(served if wire.name == "v1" else as_v2(served, 10**9 + event))
            assert isinstance(routed, tuple)
            queue, frame, time_us, seq = routed
            is_full = pending.add(queue, frame, time_us, seq) >= settings.flush_events
            if is_full or time_us - flushed_us >= settings.flush_seconds * 1e6:
                chunks = pending.chunks(ChunkEncoder(), settings.flush_events)
                buffer.append(
                    number, number + 1, HOST, chunks, {HOST: pending.cursor() or Cursor(0)}, time_us, "w" * 32
                )
                number, pending, flushed_us = number + 1, Pending(), time_us
        after = client.info("memory")["used_memory"]
    return float(after - before) / EVENTS


def test_an_event_of_a_live_network_fits_its_place(
    buffer: Buffer, redis_server: RedisServer, settings: Settings
) -> None:
    assert measure(buffer, redis_server, WireV1(2**62), settings) <= MOST_BYTES


def test_and_so_does_one_of_v2(buffer: Buffer, redis_server: RedisServer, settings: Settings) -> None:
    assert measure(buffer, redis_server, WireV2(2**62), settings) <= MOST_BYTES
