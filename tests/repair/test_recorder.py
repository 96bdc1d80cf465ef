"""Recording what a host replays, on the wire that it speaks; and that every recording ends."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from websockets.sync.server import ServerConnection, serve

from harness.simulator.options import SimulatorOptions
from repair import span_progress
from repair.recorder import NotServedError, Recorded, record
from repair.span_progress import UNREADABLE_FRAMES
from tests.support.frames import NOON_US, commit_frame
from tests.support.jetstream_host import V1_PATH, V2_PATH, JetstreamHost, jetstream_host
from tests.support.simulator import control, ledger_lines, running

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
        found = record(url, NOON_US, end_us, path)
    return found, len(lines(path))


def lines(path: Path) -> list[bytes]:
    """The frames in a recording."""
    with zstandard.open(path, "rb") as file:
        return bytes(file.read()).splitlines()


def steady(first: int, last: int) -> list[bytes]:
    """A like every second, seconds after noon."""
    return [commit_frame(rkey=f"3k{at}", time_us=NOON_US + at * SECOND) for at in range(first, last + 1)]


def of_host(path: Path, *wires: str, has_path: bool = True, **how: Any) -> Callable[..., Recorded]:
    """A function that records, from noon to a minute later, a host that serves the frames that it is given."""

    async def scenario(frames: list[bytes], shape: Callable[[JetstreamHost], object]) -> Recorded:
        async with jetstream_host(*wires, path=has_path) as host:
            await host.give(*frames)
            shape(host)
            return await asyncio.to_thread(record, host.url, NOON_US, NOON_US + 60 * SECOND, path, **how)

    return lambda frames, shape=lambda host: None: asyncio.run(scenario(frames, shape))


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
    assert found == Recorded(0, None, None, "v1")
    assert not found.reaches(NOON_US, NOON_US)


def test_a_host_that_cannot_be_had_is_named_without_its_password(tmp_path: Path) -> None:
    url = "ws://reader:s3cret@127.0.0.1:1/subscribe#part"
    with pytest.raises(NotServedError, match=r"^127.0.0.1:1 does not") as caught:
        record(url, 0, 1, tmp_path / "recording.zst")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("path", "wire"), [(V1_PATH, "v1"), (V2_PATH, "v2"), ("", "v2")])
def test_a_host_is_recorded_on_the_wire_of_its_url_or_on_v2(tmp_path: Path, path: str, wire: str) -> None:
    recording, ledger = tmp_path / "recording.zst", tmp_path / "ledger"
    options = SimulatorOptions(
        port=0,
        history=timedelta(seconds=120),
        history_rate=20,
        rate=0,
        epoch_us=NOON_US,
        ledger=ledger,
        pregenerate=True,
        sync_share=0.05,
    )
    start_us, end_us = NOON_US - 90 * SECOND, NOON_US - 30 * SECOND

    async def scenario() -> Recorded:
        async with running(options, lambda: NOON_US) as port:
            return await asyncio.to_thread(record, f"ws://127.0.0.1:{port}{path}", start_us, end_us, recording)

    found = asyncio.run(scenario())
    # A reset is told on v2 alone.
    served = [
        line
        for line in ledger_lines(ledger)
        if line["time_us"] >= start_us and (wire == "v2" or line["kind"] != "sync")
    ]
    within = sum(line["time_us"] <= end_us for line in served)
    assert found.wire == wire
    assert found.notes == ()
    assert found.frames == within + 5 == len(lines(recording))
    assert (found.first_us, found.last_us) == (served[2]["time_us"], served[within + 2]["time_us"])
    frames = [json.loads(line) for line in lines(recording)]
    told = [frame["payload"] if wire == "v2" else frame for frame in frames]
    assert [frame["did"] for frame in told] == [line["did"] for line in served[: within + 5]]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_host_without_v2_is_recorded_on_v1(tmp_path: Path, status: int) -> None:
    hosts: list[JetstreamHost] = []

    def shape(host: JetstreamHost) -> None:
        host.no_endpoint = status
        hosts.append(host)

    found = of_host(tmp_path / "recording.zst", "v1", has_path=False)(steady(0, 70), shape)
    assert (found.wire, found.frames) == ("v1", 66)
    assert hosts[0].paths == [V2_PATH, V1_PATH]


def test_a_refusal_that_may_pass_does_not_lead_to_v1(tmp_path: Path) -> None:
    def shape(host: JetstreamHost) -> None:
        host.no_endpoint = 403

    with pytest.raises(NotServedError, match="does not serve this: refused with HTTP 403"):
        of_host(tmp_path / "recording.zst", "v1", has_path=False)(steady(0, 70), shape)


def test_the_wire_that_is_named_goes_before_the_paths(tmp_path: Path) -> None:
    record_v1 = of_host(tmp_path / "recording.zst", "v1", "v2", has_path=False, wire="v1")
    assert record_v1(steady(0, 70)).wire == "v1"


def test_a_span_before_any_event_is_asked_for_by_a_time(tmp_path: Path) -> None:
    async def scenario() -> list[int | None]:
        async with jetstream_host("v2") as host:
            await host.give(*steady(0, 10))
            await asyncio.to_thread(record, host.url, 5, NOON_US + SECOND, tmp_path / "recording.zst")
            return host.cursors

    # 2022-01-01T00:00:00Z; 5 would be a sequence number.
    assert asyncio.run(scenario()) == [1_640_995_200_000_000]


def test_what_is_older_than_a_host_keeps_is_served_from_later_and_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "recording.zst"
    options = SimulatorOptions(
        port=0, history=timedelta(seconds=120), history_rate=20, rate=0, epoch_us=NOON_US, pregenerate=True, faults=True
    )
    floor_us, end_us = NOON_US - 60 * SECOND, NOON_US - 30 * SECOND

    async def scenario() -> Recorded:
        async with running(options, lambda: NOON_US) as port:
            await control(port, f"forget?before_us={floor_us}")
            url = f"ws://127.0.0.1:{port}{V2_PATH}"
            return await asyncio.to_thread(record, url, NOON_US - 90 * SECOND, end_us, path)

    found = asyncio.run(scenario())
    assert found.notes[0].startswith("says OutdatedCursor: ")
    assert found.reaches(floor_us + SECOND, end_us)
    assert not found.reaches(floor_us, end_us)
    # The notice is no frame.
    assert found.frames == len(lines(path))
    assert not [line for line in lines(path) if b"OutdatedCursor" in line]


def test_a_host_that_finds_the_cursor_too_old_is_quoted(tmp_path: Path) -> None:
    def shape(host: JetstreamHost) -> None:
        host.refusal = (400, '{"error":"CursorTooOld","message":"the floor is 77"}', {})

    with pytest.raises(
        NotServedError, match="does not serve this: refused with HTTP 400: CursorTooOld the floor is 77"
    ):
        of_host(tmp_path / "recording.zst", "v2")(steady(0, 70), shape)


ERROR = b'{"$type":"error","error":"ConsumerTooSlow","message":"read\\nfaster"}'


def test_an_error_frame_ends_a_recording_with_what_it_says(tmp_path: Path) -> None:
    found = of_host(tmp_path / "recording.zst", "v2")([*steady(0, 9), ERROR, *steady(10, 70)])
    assert found.frames == len(lines(tmp_path / "recording.zst")) == 10
    assert found.notes == ("ended the stream: ConsumerTooSlow: read faster",)
    with pytest.raises(NotServedError, match="does not serve this: ended the stream: ConsumerTooSlow"):
        of_host(tmp_path / "recording.zst", "v2")([ERROR])


@pytest.mark.parametrize("wire", ["v1", "v2"])
def test_frames_that_tell_no_time_end_a_recording(tmp_path: Path, wire: str) -> None:
    path = tmp_path / "recording.zst"
    odd = [b'{"time_us":%d}' % NOON_US] * (UNREADABLE_FRAMES - 1)
    with pytest.raises(NotServedError, match=f"tells no time in {UNREADABLE_FRAMES} frames in a row"):
        of_host(path, wire)([*odd, *odd])
    assert len(lines(path)) == UNREADABLE_FRAMES
    # After events they end it too, and what was served until then is kept.
    found = of_host(path, wire)([*steady(0, 9), *odd, *steady(10, 19), *odd, *odd])
    assert found.frames == len(lines(path)) == 10 + UNREADABLE_FRAMES - 1 + 10 + UNREADABLE_FRAMES
    assert found.notes == (f"tells no time in {UNREADABLE_FRAMES} frames in a row",)
    assert found.last_us == NOON_US + 17 * SECOND


@pytest.mark.parametrize(
    ("frames", "taken"),
    [
        # Noon to 9 s, over and over: the tenth frame is the last that goes on, and 49 more follow it.
        (steady(0, 9) * 20, 59),
        # Times behind the span with one of 9 s between each four: the third is the last that goes on.
        (steady(0, 9) + [frame for at in range(100, 300, 4) for frame in (*steady(at, at + 3), *steady(9, 9))], 62),
    ],
    ids=["the same again", "behind the span and not"],
)
def test_times_that_do_not_go_on_end_a_recording(
    frames: list[bytes], taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_progress, "STUCK_FRAMES", 50)
    found = of_host(tmp_path / "recording.zst", "v1")(frames)
    assert found.frames == taken
    assert found.notes == ("tells no later time in 50 frames in a row",)


def test_a_host_that_comes_no_further_is_left_however_slowly_it_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_progress, "STUCK_SECONDS", 0.0)
    found = of_host(tmp_path / "recording.zst", "v1")(steady(9, 9) * 20)
    assert found.frames < 20
    assert found.notes == ("tells no later time for 0 s",)


def test_a_host_that_falls_silent_is_left(tmp_path: Path) -> None:
    found = of_host(tmp_path / "recording.zst", "v2", idle_seconds=2)(steady(0, 9))
    assert (found.frames, found.notes) == (10, ("has sent nothing for 2 s",))
