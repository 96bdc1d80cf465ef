"""A file of frames as a timeline's history: every line is served byte for byte, whether it is valid or not."""

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from harness.simulator.errors import FramesFileError
from harness.simulator.events import Event

_LARGEST_INT64 = 2**63 - 1


class _Commit(msgspec.Struct, gc=False):
    collection: str = ""


class _Frame(msgspec.Struct, gc=False):
    time_us: int
    did: str = ""
    commit: _Commit | None = None


_decode = msgspec.json.Decoder(_Frame).decode


def _parse(line: bytes) -> _Frame | None:
    """What subscribers filter by; None where the line has no readable time."""
    frame: _Frame | None
    try:
        frame = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        frame = _parse_loosely(line)
    return frame if frame is not None and abs(frame.time_us) <= _LARGEST_INT64 else None


def _parse_loosely(line: bytes) -> _Frame | None:
    """As `_parse`, for a line in which something has a type that it should not have."""
    try:
        content = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(content, dict) or type(content.get("time_us")) is not int:
        return None
    did, commit = content.get("did"), content.get("commit")
    collection = commit.get("collection") if isinstance(commit, dict) else ""
    return _Frame(
        content["time_us"],
        did if isinstance(did, str) else "",
        _Commit(collection if isinstance(collection, str) else ""),
    )


def _truth(line: bytes) -> str:
    try:
        return json.dumps({"source": "file", "raw": line.decode()}, ensure_ascii=False, separators=(",", ":"))
    except UnicodeDecodeError:
        return json.dumps({"source": "file", "raw_base64": base64.b64encode(line).decode()}, separators=(",", ":"))


def to_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Lines of frames as events.

    A line without a readable `time_us` takes the time of the line before it, and at the beginning that of the first line that
    has one.
    """
    leading: list[bytes] = []
    time_us: int | None = None
    for line in lines:
        frame = _parse(line)
        if frame is None:
            if time_us is None:
                leading.append(line)
            else:
                yield Event(line, time_us, "", "", _truth(line))
            continue
        time_us = frame.time_us
        for earlier in leading:
            yield Event(earlier, time_us, "", "", _truth(earlier))
        leading.clear()
        yield Event(line, time_us, frame.commit.collection if frame.commit else "", frame.did, _truth(line))
    for line in leading:
        yield Event(line, 0, "", "", _truth(line))


def read_frames(path: Path) -> Iterator[Event]:
    """The lines of a file as events. Raises FramesFileError at once where it cannot be read."""
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise FramesFileError(f"file {path}: {error.strerror}; name a readable file of frames, one a line") from error
    return _read(file)


def _read(file: IO[bytes]) -> Iterator[Event]:
    with file:
        yield from to_events(line.removesuffix(b"\n") for line in file)
