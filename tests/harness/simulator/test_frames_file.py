"""Files of frames: every line is served, and bad ones keep their place."""

import base64
import json
from pathlib import Path

import pytest

from harness.simulator.errors import FramesFileError
from harness.simulator.frames_file import read_frames, to_events

GOOD = b'{"did":"did:plc:a","time_us":100,"kind":"commit","commit":{"collection":"app.bsky.feed.like"}}'
BAD_LINES = [
    b"not json",
    b"",
    b'{"did":"did:plc:a","time_us":"99","kind":"commit"}',
    b'{"did":"did:plc:a","time_us":9' + b"9" * 30 + b"}",
    b'{"time_us":true}',
    b"\xff\xfe",
    b"[1,2]",
    b"[" * 100_000,
    b'{"time_us":1.5}',
]


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_line_without_a_readable_time_takes_the_one_before(bad: bytes) -> None:
    events = list(to_events([GOOD, bad, GOOD.replace(b"100", b"300")]))
    assert [event.frame for event in events] == [GOOD, bad, GOOD.replace(b"100", b"300")]
    assert [event.time_us for event in events] == [100, 100, 300]


def test_bad_lines_at_the_beginning_take_the_first_time_that_there_is() -> None:
    assert [event.time_us for event in to_events([b"x", b"y", GOOD])] == [100, 100, 100]
    assert [event.time_us for event in to_events([b"x", b"y"])] == [0, 0]


def test_what_subscribers_filter_by() -> None:
    (event,) = to_events([GOOD])
    assert (event.collection, event.did) == ("app.bsky.feed.like", "did:plc:a")


@pytest.mark.parametrize(
    ("line", "collection", "did"),
    [
        (b'{"time_us":5,"did":7,"commit":{"collection":"a.b.c"}}', "a.b.c", ""),
        (b'{"time_us":5,"did":"did:plc:a","commit":[]}', "", "did:plc:a"),
        (b'{"time_us":5,"commit":{"collection":null}}', "", ""),
    ],
)
def test_a_wrong_type_costs_only_that_field(line: bytes, collection: str, did: str) -> None:
    (event,) = to_events([line])
    assert (event.time_us, event.collection, event.did) == (5, collection, did)


def test_the_truth_of_a_line_is_the_line() -> None:
    for line in (GOOD, b"not json", '{"a":"日本"}'.encode()):
        assert [json.loads(event.truth) for event in to_events([line])] == [{"source": "file", "raw": line.decode()}]
    (event,) = to_events([b"\xff\xfe"])
    assert base64.b64decode(json.loads(event.truth)["raw_base64"]) == b"\xff\xfe"


def test_lines_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_bytes(GOOD + b"\n\nbad \x00\r\n" + GOOD)
    assert [event.frame for event in read_frames(path)] == [GOOD, b"", b"bad \x00\r", GOOD]


def test_a_file_that_cannot_be_read_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(FramesFileError, match=r"missing\.jsonl: No such file"):
        read_frames(tmp_path / "missing.jsonl")
