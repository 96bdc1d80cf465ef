"""Chunks: up to a few hundred events of one queue as zstd-compressed NDJSON, the frames byte for byte."""

from collections.abc import Sequence
from dataclasses import dataclass

import zstandard

from buffer.errors import BufferCorruptError

COMPRESSION_LEVEL = 3
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
        """One chunk of `frames`, none of which contains a line feed."""
        ndjson = b"\n".join(frames) + b"\n"
        return Chunk(queue, len(frames), first_us, last_us, self._compressor.compress(ndjson))


def decode_chunk(z: bytes) -> bytes:
    """The NDJSON in a chunk, ending in a line feed. Raises BufferCorruptError."""
    try:
        return zstandard.ZstdDecompressor().decompress(z, max_output_size=MAX_CHUNK_BYTES)
    except zstandard.ZstdError as error:
        raise BufferCorruptError(f"a chunk of {len(z)} bytes does not decompress: {error}") from error
