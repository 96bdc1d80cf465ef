"""What waits for a flush."""

import base64
import json

import pytest

from bluelake.buffer.chunks import ChunkEncoder, decode_chunk
from bluelake.core.reasons import RejectReason
from bluelake.core.watermark import Cursor
from ingest.pending import Pending, reject_notice
from tests.support.frames import NOON_US


def test_chunks_hold_every_frame_in_order_and_their_times() -> None:
    pending = Pending()
    for number, time_us in enumerate([30, 10, 20, 50, 40]):
        pending.add("likes", b"l%d" % number, time_us)
    pending.add("posts", b"p", 60)

    chunks = pending.chunks(ChunkEncoder(), chunk_events=3)

    assert [(c.queue, c.n, c.first_us, c.last_us, decode_chunk(c.z)) for c in chunks] == [
        ("likes", 3, 10, 30, b"l0\nl1\nl2\n"),
        ("likes", 2, 40, 50, b"l3\nl4\n"),
        ("posts", 1, 60, 60, b"p\n"),
    ]


def test_line_feeds_between_tokens_do_not_cut_a_frame() -> None:
    pending = Pending()
    pending.add("likes", b'{\n"a": 1\n}', 1)
    (chunk,) = pending.chunks(ChunkEncoder(), 10)
    assert decode_chunk(chunk.z) == b'{ "a": 1 }\n'


def test_one_odd_time_does_not_move_the_cursor() -> None:
    pending = Pending()
    for time_us in [*range(100, 109), 10**18]:
        pending.add("likes", b"x", time_us)
    assert pending.cursor() == Cursor(105)  # the median of 101..108 and the odd one


def test_a_lone_odd_time_moves_no_cursor_and_an_earlier_flush_counts_for_the_next() -> None:
    first = Pending()
    for time_us in range(101, 109):
        first.add("likes", b"x", time_us, time_us)
    assert first.cursor() is None  # eight say nothing of which one is odd
    second = Pending(first)
    second.add("likes", b"x", 10**18, 10**15)
    assert second.cursor() == Cursor(105, 105)
    third = Pending(second)
    third.add_notice("gaps", {}, 5)
    assert third.cursor() is None
    fourth = Pending(third)
    fourth.add("posts", b"x", 109, 109)
    assert fourth.cursor() == Cursor(106, 106)


def test_a_chunk_is_cut_where_it_comes_to_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.pending.CHUNK_BYTES", 25)
    pending = Pending()
    for number, length in enumerate((10, 10, 10, 40, 1, 1, 1)):
        pending.add("likes", b"x" * length, number)
    chunks = pending.chunks(ChunkEncoder(), 3)
    assert [(chunk.n, chunk.first_us, chunk.last_us) for chunk in chunks] == [
        (2, 0, 1),
        (1, 2, 2),
        (1, 3, 3),
        (3, 4, 6),
    ]


def test_the_ingesters_own_notices_do_not_move_the_cursor() -> None:
    pending = Pending()
    assert pending.cursor() is None
    pending.add_notice("rejects", reject_notice(b"\xffx", RejectReason.NOT_UTF8, 5), 5)
    assert pending.cursor() is None
    (chunk,) = pending.chunks(ChunkEncoder(), 10)
    notice = json.loads(decode_chunk(chunk.z))
    assert (notice["reason"], notice["received_us"], base64.b64decode(notice["raw"])) == ("not_utf8", 5, b"\xffx")


def test_the_cursor_has_the_median_of_the_last_sequence_numbers() -> None:
    pending = Pending()
    for seq in [*range(1, 9), 10**14]:
        pending.add("likes", b"x", 1000 + seq % 3, seq)
    cursor = pending.cursor()
    assert cursor is not None
    assert cursor.seq == 5


def test_in_a_thin_network_the_cursors_time_and_number_are_of_the_same_frame() -> None:
    pending = Pending()
    for number in range(20):
        # Ten likes, one a second, and then one event of each of ten other queues.
        queue, time_us = (
            ("likes", NOON_US + number * 1_000_000) if number < 10 else (f"q{number}", NOON_US + 60_000_000)
        )
        pending.add(queue, b"{}", time_us, 100 + number)
    # The likes are those of the seconds 0 to 9, with the numbers 100 to 109: of the last nine the median is the fifth.
    assert pending.cursor() == Cursor(NOON_US + 5_000_000, 105)
