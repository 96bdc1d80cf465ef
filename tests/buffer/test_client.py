"""The buffer against a real Redis."""

import pytest
import redis

from bluelake.buffer.chunks import Chunk, ChunkEncoder, decode_chunk
from bluelake.buffer.client import FLUSHES, METADATA, Buffer, Depth, queue_key, translated_errors
from bluelake.buffer.errors import (
    BufferCorruptError,
    BufferFullError,
    BufferUnavailableError,
    FlushConflictError,
)
from bluelake.core.watermark import Cursor
from tests.support.redis import RedisServer

CURSORS = {"host": Cursor(1_783_166_400_000_000)}


def chunk(queue: str, *frames: bytes) -> Chunk:
    return ChunkEncoder().encode(queue, list(frames), 1, 2)


def append(buffer: Buffer, number: int, *chunks: Chunk, continues: int | None = None) -> None:
    buffer.append(number - 1 if continues is None else continues, number, "host", chunks, CURSORS, 7, "writer")


def test_a_flush_comes_back_as_it_was_written(buffer: Buffer) -> None:
    append(buffer, 1, chunk("likes", b"a", b"b"), chunk("likes", b"c"), chunk("posts", b"d"))

    (flush,) = buffer.flushes(0)
    assert (flush.number, flush.continues, flush.cursors) == (1, 0, CURSORS)
    assert flush.counts == {"likes": 3, "posts": 1}
    entries = list(buffer.read("likes", 0, 1))
    assert [(entry.flush, entry.host, entry.chunk.n, decode_chunk(entry.chunk.z)) for entry in entries] == [
        (1, "host", 2, b"a\nb\n"),
        (1, "host", 1, b"c\n"),
    ]
    state = buffer.state()
    assert (state.flush, state.cursors, state.flushed_us, state.writer) == (1, CURSORS, 7, "writer")


def test_entries_are_numbered_by_flush_and_not_by_a_clock(buffer: Buffer, redis_server: RedisServer) -> None:
    append(buffer, 41, chunk("likes", b"a"), chunk("posts", b"b"), continues=0)

    with redis.Redis(port=redis_server.port) as client:
        assert [identifier for identifier, _ in client.xrange(queue_key("likes"))] == [b"41-1"]
        assert [identifier for identifier, _ in client.xrange(queue_key("posts"))] == [b"41-2"]
        assert [identifier for identifier, _ in client.xrange(FLUSHES)] == [b"41-1"]


@pytest.mark.parametrize("continues", [0, 2])
def test_a_flush_that_continues_another_number_writes_nothing(buffer: Buffer, continues: int) -> None:
    append(buffer, 1, chunk("likes", b"a"))

    with pytest.raises(FlushConflictError) as caught:
        append(buffer, continues + 1, chunk("likes", b"b"), continues=continues)

    assert (caught.value.expected, caught.value.found) == (continues, 1)
    assert [flush.number for flush in buffer.flushes(0)] == [1]
    assert buffer.depth()["likes"].events == 1


def test_a_flush_that_continues_another_writers_writes_nothing(buffer: Buffer) -> None:
    append(buffer, 1, chunk("likes", b"a"))
    with pytest.raises(FlushConflictError):
        buffer.append(1, 2, "host", [chunk("likes", b"b")], CURSORS, 7, "other", "other")
    assert buffer.state().flush == 1
    buffer.append(1, 2, "host", [chunk("likes", b"b")], CURSORS, 7, "other", "writer")
    assert (buffer.state().flush, buffer.state().writer) == (2, "other")


def test_an_emptied_redis_is_noticed(buffer: Buffer, redis_server: RedisServer) -> None:
    append(buffer, 1, chunk("likes", b"a"))
    with redis.Redis(port=redis_server.port) as client:
        client.flushall()

    with pytest.raises(FlushConflictError) as caught:
        append(buffer, 2, chunk("likes", b"b"))

    assert caught.value.found == 0


def test_without_its_metadata_redis_stands_where_its_newest_flush_tells(
    buffer: Buffer, redis_server: RedisServer
) -> None:
    first, second, third = chunk("likes", b"a", b"b"), chunk("posts", b"p"), chunk("likes", b"c")
    append(buffer, 1, first)
    append(buffer, 2, second)
    with redis.Redis(port=redis_server.port) as client:
        client.delete(METADATA)

    state = buffer.state()
    assert (state.flush, state.cursors, state.writer) == (2, CURSORS, "")
    with pytest.raises(FlushConflictError) as caught:
        append(buffer, 1, third)
    assert caught.value.found == 2
    assert buffer.trim(1) == 1
    assert buffer.depth()["likes"].events == 0
    append(buffer, 3, third)

    assert [(flush.number, flush.continues) for flush in buffer.flushes(0)] == [(2, 1), (3, 2)]
    assert buffer.depth()["likes"] == Depth(1, len(third.z))
    assert buffer.depth()["posts"] == Depth(1, len(second.z))
    assert buffer.state().flush == 3


def test_a_number_that_a_stream_has_had_is_a_conflict_and_nothing_is_written(
    buffer: Buffer, redis_server: RedisServer
) -> None:
    assert buffer.last_number() == 0
    for number in (1, 2, 3):
        append(buffer, number, chunk("likes", b"a"))
    buffer.trim(3)
    with redis.Redis(port=redis_server.port) as client:
        client.delete(METADATA)
    assert buffer.last_number() == 3
    assert buffer.state().flush == 0

    with pytest.raises(FlushConflictError) as caught:
        append(buffer, 1, chunk("posts", b"p"), chunk("likes", b"a"))

    assert caught.value.found == 3
    assert list(buffer.read("posts", 0, 9)) == []
    append(buffer, 4, chunk("likes", b"a"), continues=0)
    assert buffer.state().flush == 4


@pytest.mark.parametrize(
    ("policy", "limit", "told"),
    [
        ("allkeys-lru", "100mb", "allkeys-lru"),
        ("allkeys-random", "100mb", "allkeys-random"),
        ("allkeys-lru", "0", ""),
        ("volatile-lru", "100mb", ""),
        ("noeviction", "100mb", ""),
    ],
)
def test_a_policy_that_evicts_the_buffer_is_told(
    buffer: Buffer, redis_server: RedisServer, policy: str, limit: str, told: str
) -> None:
    with redis.Redis(port=redis_server.port) as client:
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", limit)
    assert buffer.evicting_policy() == told


def test_depth_counts_events_and_bytes_and_trim_takes_whole_flushes(buffer: Buffer) -> None:
    first, second = chunk("likes", b"a", b"b"), chunk("likes", b"c")
    append(buffer, 1, first, chunk("posts", b"p"))
    append(buffer, 2, second)
    assert buffer.depth()["likes"] == Depth(3, len(first.z) + len(second.z))

    assert buffer.trim(1) == 1

    assert buffer.depth()["likes"] == Depth(1, len(second.z))
    assert buffer.depth()["posts"] == Depth(0, 0)
    assert [entry.flush for entry in buffer.read("likes", 0, 9)] == [2]
    assert [flush.number for flush in buffer.flushes(0)] == [2]
    assert buffer.state().flush == 2
    assert buffer.trim(1) == 0


def test_reading_takes_only_the_flushes_asked_for_over_many_pages(buffer: Buffer) -> None:
    for number in range(1, 1203):
        append(buffer, number, chunk("likes", b"%d" % number))

    assert [entry.flush for entry in buffer.read("likes", 100, 1100)] == list(range(101, 1101))
    assert [flush.number for flush in buffer.flushes(1199)] == [1200, 1201, 1202]


def test_reset_forgets_everything(buffer: Buffer, redis_server: RedisServer) -> None:
    append(buffer, 1, chunk("likes", b"a"))

    buffer.reset()

    with redis.Redis(port=redis_server.port) as client:
        assert client.keys("firehose:*") == []
    assert buffer.state().flush == 0


def append_until_full(buffer: Buffer, piece: Chunk) -> int:
    """Append `piece` again and again. Returns how often it was taken."""
    for number in range(1, 200):
        try:
            append(buffer, number, piece)
        except BufferFullError:
            return number - 1
    pytest.fail("Redis was never full")


def test_a_full_redis_can_be_trimmed_and_then_takes_more(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Otherwise a drain could never make the room that the ingester waits for."""
    server = RedisServer(tmp_path_factory.mktemp("trim"), "--maxmemory", "3mb", "--maxmemory-policy", "noeviction")
    server.start()
    buffer = Buffer(server.url)
    try:
        piece = Chunk("likes", 1, 1, 2, bytes(range(256)) * 400)
        written = append_until_full(buffer, piece)
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory", client.info("memory")["used_memory"] - 100_000)
        with pytest.raises(BufferFullError):
            append(buffer, written + 1, piece)
        assert buffer.trim(written - 1) == written - 1
        assert buffer.depth()["likes"].events == 1
        append(buffer, written + 1, piece)
    finally:
        buffer.close()
        server.stop()


def test_a_full_redis_refuses_and_keeps_what_it_has(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = RedisServer(tmp_path_factory.mktemp("full"), "--maxmemory", "3mb", "--maxmemory-policy", "noeviction")
    server.start()
    buffer = Buffer(server.url)
    try:
        incompressible = Chunk("likes", 1, 1, 2, bytes(range(256)) * 400)
        written = append_until_full(buffer, incompressible)
        assert written > 0
        assert buffer.state().flush == written
        assert len(list(buffer.read("likes", 0, 200))) == written
    finally:
        buffer.close()
        server.stop()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (redis.exceptions.ResponseError("OOM command not allowed when used memory > 'maxmemory'."), BufferFullError),
        # As Redis 6.2 says it of a script.
        (
            redis.exceptions.ResponseError(
                "Error running script (call to f_1): @user_script:2: -OOM command not allowed"
            ),
            BufferFullError,
        ),
        (redis.exceptions.ReadOnlyError("You can't write against a read only replica."), BufferFullError),
        (redis.exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left"), BufferFullError),
        (redis.exceptions.ResponseError("something that nobody thought of"), BufferUnavailableError),
        (redis.exceptions.InvalidResponse("protocol"), BufferUnavailableError),
    ],
)
def test_whatever_redis_says_is_waited_for_and_kills_nobody(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected), translated_errors():
        raise raised


def test_a_redis_that_is_away_says_so(redis_server: RedisServer) -> None:
    buffer = Buffer(redis_server.url, timeout_seconds=1)
    redis_server.stop()
    with pytest.raises(BufferUnavailableError, match="does not answer"):
        buffer.state()
    buffer.close()


def test_foreign_metadata_is_corruption(buffer: Buffer, redis_server: RedisServer) -> None:
    with redis.Redis(port=redis_server.port) as client:
        client.hset(METADATA, "flush", "many")
    with pytest.raises(BufferCorruptError):
        buffer.state()


def test_a_damaged_chunk_is_corruption() -> None:
    with pytest.raises(BufferCorruptError):
        decode_chunk(b"not zstd")
