"""Recordings of frames, read piece by piece: a file (NDJSON, plain or zstd) or the drained chunks under raw/.

A piece holds some frames by queue. Its size is bounded, however long the recording is.
"""

import io
import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
import zstandard

from bluelake.core.reasons import RejectReason
from bluelake.lake.drain import MAX_NOTICE_BYTES, Reject, read_notice
from bluelake.lake.errors import RecordingError
from bluelake.lake.tables import ACCOUNTS, DELETES, GAPS, REJECTS
from repair.router import RoutedFrame, Router

log = logging.getLogger(__name__)

PIECE_BYTES = 128 << 20
# Events of these queues decide which records may be stored. The queue counts, not the file: a mended router may choose another.
DELETION_QUEUES = frozenset((ACCOUNTS.name, DELETES.name))
HOST = "replay"
# A damaged compressed file loses up to this many bytes before the damage.
_READ_BYTES = 1 << 16
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_RAW_NAME = re.compile(r"(?P<queue>[a-z]+)-(?P<first>\d+)-(?P<last>\d+)-\d+\.ndjson\.zst")
EVER = (-(2**62), 2**62)


class _GapNotice(msgspec.Struct):
    from_us: int


@dataclass
class Piece:
    """Some frames of a recording by queue, with their times, and the frames that are no events.

    `done_bytes`: how many bytes of the recording have been read when the piece ends.
    """

    frames: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    times: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    rejects: list[Reject] = field(default_factory=list)
    count: int = 0
    size_bytes: int = 0
    done_bytes: int = 0


@dataclass(frozen=True)
class Recording:
    """Files to replay, and the wanted span of event times in microseconds since 1970: start inclusive, end exclusive."""

    files: Sequence[Path]
    span: tuple[int, int]

    @property
    def size_bytes(self) -> int:
        """Bytes on the disk of the files that still exist."""
        return sum(map(_size, self.files))

    def pieces(self, router: Router, max_frame_bytes: int, now_us: int, *, deletions: bool) -> Iterator[Piece]:
        """The frames in their order: with `deletions` those of DELETION_QUEUES, without it all others.

        `now_us`: the time of a frame that has none. A drain can remove drained chunks meanwhile. Such a file is skipped with
        a warning. Raises RecordingError for a damaged file, after the frames before the damage; OSError.
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
                        self._add(piece, line, queue, router, max_frame_bytes, now_us, deletions)
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

    def _add(
        self,
        piece: Piece,
        line: bytes,
        queue: str,
        router: Router,
        max_frame_bytes: int,
        now_us: int,
        deletions: bool,
    ) -> None:
        routed: RoutedFrame | RejectReason | Reject
        if queue == REJECTS.name:
            routed = _route_reject(line, router, max_frame_bytes, now_us)
        elif len(line) > max_frame_bytes:
            routed = RejectReason.TOO_LARGE
        elif queue == GAPS.name:
            routed = _route_gap(line)
        else:
            routed = router.route(line)
        if isinstance(routed, RejectReason):
            routed = Reject(routed, queue or REJECTS.name, 0, HOST, now_us, line)
        if isinstance(routed, Reject):
            if deletions:
                return
            piece.rejects.append(routed)
            piece.size_bytes += len(routed.raw)
        else:
            name, frame, time_us = routed
            if deletions is (name not in DELETION_QUEUES) or not self.span[0] <= time_us < self.span[1]:
                return
            piece.frames[name].append(frame)
            piece.times[name].append(time_us)
            piece.size_bytes += len(frame)
        piece.count += 1


def recording_of(path: Path, span: tuple[int, int] = EVER) -> Recording:
    """The recording in the file `path`. Raises RecordingError if there is no such file."""
    if not path.is_file():
        raise RecordingError(f"{path}: no such file; name a recording of frames, NDJSON or .zst")
    return Recording([path], span)


def recording_of_raw(raw_dir: Path, span: tuple[int, int]) -> Recording:
    """The drained chunks of `span` under `raw_dir`, oldest first. Raises RecordingError if there are none."""
    found = []
    for path in raw_dir.glob("*/*.ndjson.zst"):
        name = _RAW_NAME.fullmatch(path.name)
        # The file's name does not tell when a reject came.
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
    """The lines of a file without line ends and empty lines. A line that is too long is cut one byte past the limit."""
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


def _route_gap(line: bytes) -> RoutedFrame | RejectReason:
    try:
        return GAPS.name, line, msgspec.json.decode(line, type=_GapNotice).from_us
    except (ValueError, RecursionError):
        return RejectReason.WRONG_TYPE


def _route_reject(line: bytes, router: Router, max_frame_bytes: int, now_us: int) -> RoutedFrame | Reject:
    """Route a frame again that the ingester rejected. If it still is no event, it stays the same reject.

    The notice may hold only the frame's beginning, and does not tell its wire. So a new reason would be a guess.
    """
    noted = read_notice(line, 0, HOST, now_us)
    routed = router.route(noted.raw) if len(noted.raw) <= max_frame_bytes else noted
    return noted if isinstance(routed, RejectReason) else routed
