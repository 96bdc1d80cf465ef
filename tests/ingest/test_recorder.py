"""Recording what a host replays."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard
from websockets.sync.server import ServerConnection, serve

from ingest.recorder import NotServedError, Recorded, record
from tests.conftest import NOON_US, commit_frame

SECOND = 1_000_000


@contextmanager
def serving(times: list[int]) -> Iterator[str]:
    """A host that serves an event at each of `times`, and then ends the connection; its URL."""

    def handler(connection: ServerConnection) -> None:
        for time_us in times:
            connection.send(commit_frame(time_us=time_us))

    with serve(handler, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/subscribe"
        finally:
            server.shutdown()
            thread.join()


def recorded(times: list[int], end_us: int, path: Path) -> tuple[Recorded, int]:
    """What is recorded of a host that serves `times` up to `end_us`, and how many frames are in the file."""
    with serving(times) as url:
        found = record(url, NOON_US, end_us, path, largest_frame_bytes=1 << 20, idle_seconds=20)
    with zstandard.open(path, "rb") as file:
        return found, file.read().count(b"\n")


@pytest.mark.parametrize("odd_us", [NOON_US + 10_000 * SECOND, NOON_US - 10_000 * SECOND])
@pytest.mark.parametrize("number", [0, 3, 30, 58, 59])
def test_one_odd_time_neither_ends_a_recording_nor_makes_it_complete(tmp_path: Path, odd_us: int, number: int) -> None:
    times = [NOON_US + second * SECOND for second in range(60)]
    times[number] = odd_us

    found, frames = recorded(times, NOON_US + 100 * SECOND, tmp_path / "recording.zst")

    assert (found.frames, frames) == (60, 60)
    # It served from 0 s to 59 s.
    assert found.reaches(NOON_US + 4 * SECOND, NOON_US + 55 * SECOND)
    assert not found.reaches(NOON_US - SECOND, NOON_US + 55 * SECOND)
    assert not found.reaches(NOON_US + 4 * SECOND, NOON_US + 60 * SECOND)


def test_a_recording_ends_with_the_fifth_event_in_a_row_past_its_end(tmp_path: Path) -> None:
    found, frames = recorded(
        [NOON_US + second * SECOND for second in range(60)], NOON_US + 20 * SECOND, tmp_path / "recording.zst"
    )
    # 0 s to 20 s, and 21 s to 25 s.
    assert (found.frames, frames) == (26, 26)
    assert found.reaches(NOON_US + 2 * SECOND, NOON_US + 20 * SECOND)


def test_a_host_that_serves_nothing_reaches_nothing(tmp_path: Path) -> None:
    found, _ = recorded([], NOON_US + SECOND, tmp_path / "recording.zst")
    assert found == Recorded(0, None, None)
    assert not found.reaches(NOON_US, NOON_US)


def test_a_host_that_cannot_be_had_is_named_without_its_password(tmp_path: Path) -> None:
    url = "ws://reader:s3cret@127.0.0.1:1/subscribe#part"
    with pytest.raises(NotServedError, match=r"^127.0.0.1:1 does not") as caught:
        record(url, 0, 1, tmp_path / "recording.zst", largest_frame_bytes=1 << 20)
    assert "s3cret" not in str(caught.value)
