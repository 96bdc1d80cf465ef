"""Chunks: up to a few hundred events of one queue as zstd-compressed NDJSON, the frames byte for byte."""

from collections.abc import Sequence
from dataclasses import dataclass

import zstandard

from bluelake.buffer.errors import BufferCorruptError

# Measured on generated frames, 512 a chunk: levels 1 to 3 come to 130 to 131 bytes an event, and 1 takes the least time.
COMPRESSION_LEVEL = 1
# Far above what a chunk can be (a flush's frames at the largest frame size are cut into several), below what hurts.
MAX_CHUNK_BYTES = 1 << 30


@dataclass(frozen=True)
class Chunk:
    """`n` events of `queue`; `z` is their NDJSON, compressed. `first_us`, `last_us`: least and greatest event time,
    microseconds since 1970."""

    queue: str
    n: int
    first_us: int
    last_us: int
    z: bytes


class ChunkEncoder:
    """Compresses frames into chunks. Holds a compression context; one a thread."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, write_content_size=True)

    def encode(self, queue: str, frames: Sequence[bytes], first_us: int, last_us: int) -> Chunk:
        """One chunk of `frames`.

        A line feed inside a frame, which in JSON can only be white space between tokens (RFC 8259 §2), becomes a space.
        """
        ndjson = b"\n".join([*frames, b""])
        if ndjson.count(b"\n") != len(frames):
            ndjson = b"\n".join([frame.replace(b"\n", b" ") for frame in frames]) + b"\n"
        return Chunk(queue, len(frames), first_us, last_us, self._compressor.compress(ndjson))


def decoded_size(z: bytes) -> int:
    """How many bytes of NDJSON are in a chunk. Raises BufferCorruptError."""
    try:
        size = zstandard.frame_content_size(z)
    except zstandard.ZstdError as error:
        raise BufferCorruptError(f"a chunk of {len(z)} bytes is not zstd: {error}") from error
    if not 0 <= size <= MAX_CHUNK_BYTES:
        raise BufferCorruptError(f"a chunk of {len(z)} bytes does not tell its size, or one that none has: {size}")
    return size


def decode_into(z: bytes, target: memoryview) -> None:
    """Decompress a chunk into `target`, which has exactly its size. Raises BufferCorruptError."""
    try:
        with zstandard.ZstdDecompressor().stream_reader(z) as reader:
            read = reader.readinto(target)
            while read < len(target) and (more := reader.readinto(target[read:])):
                read += more
    except zstandard.ZstdError as error:
        raise BufferCorruptError(f"a chunk of {len(z)} bytes does not decompress: {error}") from error
    if read != len(target):
        raise BufferCorruptError(f"a chunk of {len(z)} bytes holds {read} bytes and announces {len(target)}")


def decode_chunk(z: bytes) -> bytes:
    """The NDJSON in a chunk, ending in a line feed. Raises BufferCorruptError."""
    target = bytearray(decoded_size(z))
    decode_into(z, memoryview(target))
    return bytes(target)
