"""Reading, appending to and trimming the buffer. Keys and entry formats are described in docs/ingest.md.

`firehose:<queue>:queue` are streams of chunks, `firehose:flushes` is the stream of flushes, `firehose:metadata` a hash:
`flush` (number of the last one), `cursors` (where to resume once it is durable), `flushed_us` (when, wall clock),
`writer` (which ingester wrote it), and `events:<queue>`, `bytes:<queue>` (what the queue holds).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import redis

from bluelake.buffer.chunks import Chunk
from bluelake.buffer.errors import (
    BufferCorruptError,
    BufferFullError,
    BufferUnavailableError,
    FlushConflictError,
)
from bluelake.core.metrics import QUEUE_NAMES
from bluelake.core.watermark import Cursor, cursors_from_json, cursors_to_json

METADATA = "firehose:metadata"
FLUSHES = "firehose:flushes"
ANY_WRITER = "*"
# Redis errors that mean "no room now" and pass when there is.
_NO_ROOM = re.compile(r"(?:^|-)(?:OOM|MISCONF|NOREPLICAS|READONLY|LOADING|BUSY)\b")
# Of a stream that has this number, or a later one, already.
_NUMBER_USED = "equal or smaller than the target stream top item"
_LUA = Path(__file__).parent / "lua"
_READ_COUNT = 500
_Page = list[tuple[bytes, dict[bytes, bytes]]]


def queue_key(queue: str) -> str:
    """The Redis key of a queue's stream."""
    return f"firehose:{queue}:queue"


def count_flushes(connection: redis.Redis) -> int:
    """How many flushes wait to be drained in the Redis of `connection`, for callers that keep one of their own.

    Raises redis.exceptions.RedisError.
    """
    return int(connection.xlen(FLUSHES))


@dataclass(frozen=True)
class State:
    """Where Redis stands. `flush`: number of the last flush, 0 for none. `cursors`: where to resume, by host.
    `flushed_us`: when the last flush came, microseconds since 1970, 0 for never. `writer`: which ingester wrote it."""

    flush: int
    cursors: dict[str, Cursor]
    flushed_us: int
    writer: str


@dataclass(frozen=True)
class Depth:
    """What one queue holds: events, and compressed bytes."""

    events: int
    size_bytes: int


@dataclass(frozen=True)
class Flush:
    """What a flush announced. `continues`: the number before it. `counts`: events by queue."""

    number: int
    continues: int
    cursors: dict[str, Cursor]
    counts: dict[str, int]


@dataclass(frozen=True)
class Entry:
    """One chunk as it lies in a queue, with the flush that brought it and the host that served it."""

    flush: int
    host: str
    chunk: Chunk


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn redis-py's errors into the buffer's."""
    try:
        yield
    except (redis.exceptions.OutOfMemoryError, redis.exceptions.ReadOnlyError) as error:
        raise BufferFullError(f"Redis takes no writes now: {error}") from error
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
        raise BufferUnavailableError(f"Redis does not answer: {error}") from error
    except redis.exceptions.ResponseError as error:
        # Redis 6 wraps what goes wrong in a script into a sentence.
        if _NO_ROOM.search(str(error)):
            raise BufferFullError(f"Redis takes no writes now: {error}") from error
        raise BufferUnavailableError(f"Redis refuses: {error}") from error
    except redis.exceptions.RedisError as error:
        raise BufferUnavailableError(f"Redis does not answer as it should: {error}") from error


class Buffer:
    """The buffer at one Redis. Connects lazily."""

    def __init__(self, url: str, *, timeout_seconds: float = 10.0) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds)
        self._flush = self._redis.register_script((_LUA / "flush.lua").read_text())
        self._trim = self._redis.register_script((_LUA / "trim.lua").read_text())

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def ping(self) -> None:
        """Raises BufferUnavailableError if Redis does not answer."""
        with translated_errors():
            self._redis.ping()

    def state(self) -> State:
        """Where Redis stands; if the metadata is gone, what the newest flush that is left tells of it.

        Raises BufferUnavailableError, BufferCorruptError.
        """
        with translated_errors():
            flush, cursors, flushed_us, writer = cast(
                list[bytes | None], self._redis.hmget(METADATA, ["flush", "cursors", "flushed_us", "writer"])
            )
            left = [] if flush else cast(_Page, self._redis.xrevrange(FLUSHES, count=1))
        for identifier, fields in left:
            flush, cursors = identifier.split(b"-")[0], fields.get(b"cursors")
        try:
            return State(
                int(flush or 0), cursors_from_json(cursors or b"{}"), int(flushed_us or 0), (writer or b"").decode()
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BufferCorruptError(f"{METADATA} is not what an ingester writes: {error}") from error

    def last_number(self) -> int:
        """The greatest number that any flush has ever had in one of the streams, 0 for none; no stream takes it again."""
        with translated_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for key in (FLUSHES, *map(queue_key, QUEUE_NAMES)):
                pipeline.xinfo_stream(key)
            answers = pipeline.execute(raise_on_error=False)
            numbers = [0]
            for answer in answers:
                if not isinstance(answer, Exception):
                    numbers.append(int(answer["last-generated-id"].split(b"-")[0]))
                elif "no such key" not in str(answer):
                    raise answer
        return max(numbers)

    def evicting_policy(self) -> str:
        """The `maxmemory-policy` by which Redis may throw away the buffer, empty where it throws away nothing of it.

        The buffer's keys do not expire, so that the `volatile-*` ones leave them alone. Raises BufferUnavailableError.
        """
        with translated_errors():
            memory = self._redis.info("memory")
        policy = str(memory.get("maxmemory_policy", ""))
        return policy if memory.get("maxmemory") and policy.startswith("allkeys-") else ""

    def append(
        self,
        continues: int,
        number: int,
        host: str,
        chunks: Sequence[Chunk],
        cursors: Mapping[str, Cursor],
        now_us: int,
        writer: str,
        continues_writer: str = ANY_WRITER,
    ) -> None:
        """Write flush `number`, which continues flush `continues` of `continues_writer`, with all its chunks at once, or
        nothing.

        Raises FlushConflictError, BufferFullError, BufferUnavailableError. After the last the flush may have been
        written all the same: the state tells.
        """
        totals: dict[str, list[int]] = {}
        for chunk in chunks:
            total = totals.setdefault(chunk.queue, [0, 0])
            total[0] += chunk.n
            total[1] += len(chunk.z)
        arguments: list[Any] = [
            continues,
            number,
            cursors_to_json(dict(cursors)),
            json.dumps({queue: total[0] for queue, total in totals.items()}),
            json.dumps({queue: total[1] for queue, total in totals.items()}),
            now_us,
            host,
            writer,
            continues_writer,
        ]
        for chunk in chunks:
            arguments += (chunk.n, chunk.first_us, chunk.last_us, chunk.z)
        keys = [METADATA, FLUSHES, *(queue_key(chunk.queue) for chunk in chunks)]
        with translated_errors():
            try:
                found = self._flush(keys=keys, args=arguments)
            except redis.exceptions.ResponseError as error:
                if _NUMBER_USED not in str(error):
                    raise
                found = self.last_number()
        if found is not None:
            raise FlushConflictError(continues, int(cast(bytes | int, found)))

    def flushes(self, after: int) -> Iterator[Flush]:
        """The flushes with a number above `after`, in order."""
        for number, fields in self._entries(FLUSHES, after, None):
            yield Flush(
                number,
                int(fields[b"prev"]),
                cursors_from_json(fields[b"cursors"]),
                {str(queue): int(n) for queue, n in json.loads(fields[b"counts"]).items()},
            )

    def read(self, queue: str, after: int, last: int) -> Iterator[Entry]:
        """The entries of `queue` that flushes after `after`, up to and including `last`, brought, in order."""
        for number, fields in self._entries(queue_key(queue), after, last):
            chunk = Chunk(queue, int(fields[b"n"]), int(fields[b"first_us"]), int(fields[b"last_us"]), fields[b"z"])
            yield Entry(number, fields[b"host"].decode(), chunk)

    def _entries(self, key: str, after: int, last: int | None) -> Iterator[tuple[int, dict[bytes, bytes]]]:
        start = f"{after + 1}-0"
        end = "+" if last is None else f"{last}-18446744073709551615"
        while True:
            with translated_errors():
                page = cast(_Page, self._redis.xrange(key, start, end, _READ_COUNT))
            for identifier, fields in page:
                yield int(identifier.split(b"-")[0]), fields
            if len(page) < _READ_COUNT:
                return
            start = f"({page[-1][0].decode()}"

    def trim(self, last: int) -> int:
        """Remove every entry up to and including flush `last` from all queues. Returns how many flushes went."""
        keys = [METADATA, FLUSHES, *(queue_key(queue) for queue in QUEUE_NAMES)]
        with translated_errors():
            return int(cast(int, self._trim(keys=keys, args=[last])))

    def depth(self) -> dict[str, Depth]:
        """What each queue holds."""
        with translated_errors():
            metadata = cast(dict[bytes, bytes], self._redis.hgetall(METADATA))
        return {
            queue: Depth(
                int(metadata.get(f"events:{queue}".encode(), 0)), int(metadata.get(f"bytes:{queue}".encode(), 0))
            )
            for queue in QUEUE_NAMES
        }

    def reset(self) -> None:
        """Forget everything. The ingester notices, and resumes from the lake's watermark."""
        with translated_errors():
            self._redis.delete(METADATA, FLUSHES, *(queue_key(queue) for queue in QUEUE_NAMES))
