"""Recordings of frames, piece by piece: NDJSON, plain or zstd, somebody's file or the drained chunks under raw/.

A piece holds some frames by queue and is bounded in bytes, however long the recording is.
"""

import io
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
import zstandard

from bluelake.core.reasons import RejectReason
from bluelake.lake.drain import MAX_NOTICE_BYTES, Reject, read_notice
from bluelake.lake.errors import RecordingError
from bluelake.lake.tables import ACCOUNTS, DELETES, GAPS, REJECTS

log = logging.getLogger(__name__)

PIECE_BYTES = 128 << 20
# What says which records may be stored. By queue, not by file: a mended router may place a frame anew.
WITHDRAWING = frozenset((ACCOUNTS.name, DELETES.name))
HOST = "replay"
# So much before a damage in a compressed file is lost with it.
_READ_BYTES = 1 << 16
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_RAW_NAME = re.compile(r"(?P<queue>[a-z]+)-(?P<first>\d+)-(?P<last>\d+)-\d+\.ndjson\.zst")
EVER = (-(2**62), 2**62)

# Where a frame belongs: its queue, it in the v1 shape and its time in microseconds since 1970; or why it is none's.
Placed = tuple[str, bytes, int] | RejectReason
Place = Callable[[bytes], Placed]


class _GapNotice(msgspec.Struct):
    from_us: int


@dataclass
class Piece:
    """Some frames of a recording by queue, with their times, and those that are no events. `done_bytes`: how much of the
    recording has been read with it."""

    frames: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    times: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    rejects: list[Reject] = field(default_factory=list)
    count: int = 0
    size_bytes: int = 0
    done_bytes: int = 0


@dataclass(frozen=True)
class Recording:
    """What is to be replayed: files, and the span of event times (start inclusive, end not) that is wanted of them."""

    files: Sequence[Path]
    span: tuple[int, int]

    @property
    def size_bytes(self) -> int:
        """Of all its files that are there, as they lie on the disk."""
        return sum(map(_size, self.files))

    def pieces(self, place: Place, max_frame_bytes: int, now_us: int, *, withdrawing: bool) -> Iterator[Piece]:
        """Its frames of the queues in WITHDRAWING, or all its others, in the order in which they lie there. `now_us`: the
        time of a frame that tells none.

        A file that has gone meanwhile, as drained chunks do with a drain, is passed over with a warning. Raises
        RecordingError for a file that is damaged, after what comes before the damage; OSError.
        """
        piece, done = Piece(), 0
        try:
            for path in self.files:
                name = _RAW_NAME.fullmatch(path.name)
                queue = name["queue"] if name else ""
                try:
                    opened = path.open("rb")
                except FileNotFoundError:
                    log.warning("%s: not replayed: it was removed meanwhile; drained chunks stay RAW_KEEP_DAYS", path)
                    continue
                with opened as file:
                    longest = MAX_NOTICE_BYTES if queue == REJECTS.name else max_frame_bytes
                    for line in _lines(file, path, longest):
                        self._take(piece, line, queue, place, max_frame_bytes, now_us, withdrawing)
                        if piece.size_bytes >= PIECE_BYTES:
                            piece.done_bytes = done + file.tell()
                            yield piece
                            piece = Piece()
                    done += file.tell()
        except RecordingError:
            yield piece
            raise
        piece.done_bytes = done
        yield piece

    def _take(
        self,
        piece: Piece,
        line: bytes,
        queue: str,
        place: Place,
        max_frame_bytes: int,
        now_us: int,
        withdrawing: bool,
    ) -> None:
        placed: Placed | Reject
        if queue == REJECTS.name:
            placed = _place_reject(line, place, max_frame_bytes, now_us)
        elif len(line) > max_frame_bytes:
            placed = RejectReason.TOO_LARGE
        elif queue == GAPS.name:
            placed = _place_gap(line)
        else:
            placed = place(line)
        if isinstance(placed, RejectReason):
            placed = Reject(placed, queue or REJECTS.name, 0, HOST, now_us, line)
        if isinstance(placed, Reject):
            if withdrawing:
                return
            piece.rejects.append(placed)
            piece.size_bytes += len(placed.raw)
        else:
            name, frame, time_us = placed
            if withdrawing is (name not in WITHDRAWING) or not self.span[0] <= time_us < self.span[1]:
                return
            piece.frames[name].append(frame)
            piece.times[name].append(time_us)
            piece.size_bytes += len(frame)
        piece.count += 1


def recording_of(path: Path, span: tuple[int, int] = EVER) -> Recording:
    """The recording in one file. Raises RecordingError where there is none."""
    if not path.is_file():
        raise RecordingError(f"{path}: no such file; name a recording of frames, NDJSON or .zst")
    return Recording([path], span)


def recording_of_raw(raw_dir: Path, span: tuple[int, int]) -> Recording:
    """The drained chunks under `raw_dir` of `span`, oldest first. Raises RecordingError where there are none."""
    found = []
    for path in raw_dir.glob("*/*.ndjson.zst"):
        name = _RAW_NAME.fullmatch(path.name)
        # A reject's time is when it came, which the name of its file does not tell.
        if name and (name["queue"] == REJECTS.name or (int(name["first"]) < span[1] and int(name["last"]) >= span[0])):
            found.append((int(name["first"]), path))
    if not found:
        raise RecordingError(f"{raw_dir}: holds nothing of that span; drained chunks are kept for RAW_KEEP_DAYS")
    return Recording([path for _, path in sorted(found)], span)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _lines(file: BinaryIO, path: Path, max_frame_bytes: int) -> Iterator[bytes]:
    """The lines of a file without their ends and without empty ones; one that is too long is cut at the limit and one byte."""
    compressed = file.read(len(_ZSTD_MAGIC)) == _ZSTD_MAGIC
    file.seek(0)
    source: BinaryIO = file
    if compressed:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False)
        source = cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, reader), _READ_BYTES))
    number = 0
    try:
        while line := source.readline(max_frame_bytes + 1):
            number += 1
            if len(line) > max_frame_bytes and not line.endswith(b"\n"):
                while (rest := source.readline(1 << 20)) and not rest.endswith(b"\n"):
                    pass
            if stripped := line.strip(b"\r\n"):
                yield stripped
    except zstandard.ZstdError as error:
        raise RecordingError(
            f"{path}: damaged after line {number} ({error}); the lines up to there have been replayed"
        ) from error


def _place_gap(line: bytes) -> Placed:
    try:
        return GAPS.name, line, msgspec.json.decode(line, type=_GapNotice).from_us
    except (ValueError, RecursionError):
        return RejectReason.WRONG_TYPE


def _place_reject(line: bytes, place: Place, max_frame_bytes: int, now_us: int) -> Placed | Reject:
    """A frame that the ingester could not place is asked again. If it is still no event, it stays the reject that it was: the
    notice may hold only its beginning, and does not tell which wire it came on."""
    noted = read_notice(line, 0, HOST, now_us)
    placed = place(noted.raw) if len(noted.raw) <= max_frame_bytes else noted
    return noted if isinstance(placed, RejectReason) else placed
