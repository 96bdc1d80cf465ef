"""Case 18 and its kind: what a v1 host says of a whole repository, and of the stream itself."""

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.drain import drain
from repair import replay_file
from tests.support.frames import ANN, BOB, NOON_US, post, tid
from tests.support.ingester import START_US, frames, held, notices, running, tuned, until
from tests.support.jetstream_host import jetstream_host
from tests.support.lakes import rows
from tests.support.paths import case_frames

CASE_START_US = 1_795_852_151_000_000


@pytest.mark.anyio
async def test_case_18_a_sync_resets_and_a_control_frame_is_no_reject(buffer: Buffer, settings: Settings) -> None:
    given = case_frames("18-v1-sync")
    async with jetstream_host() as host:
        tuning = tuned(settings, host.url, jetstream_start=str(CASE_START_US))
        async with running(tuning, buffer):
            await host.give(*given)
            await until(lambda: len(held(buffer)) == 3)
        assert notices(buffer, "rejects") == []
    drain(settings)
    assert rows(settings, "SELECT text FROM posts") == [{"text": "eighteen after the reset"}]
    assert rows(settings, "SELECT count(*) AS n FROM posts_all") == [{"n": 2}]


def sync(did: str, rev: int) -> bytes:
    return (
        b'{"did":"%b","time_us":%d,"kind":"sync","sync":{"blocks":{"$bytes":"Oq"},"did":"%b","rev":"%b","seq":9,"time":"x"}}'
        % (did.encode(), NOON_US + rev, did.encode(), tid(rev).encode())
    )


def test_a_recorded_sync_of_v1_resets_its_repository_alone(settings: Settings) -> None:
    path = settings.home / "frames.ndjson"
    given = [
        post(ANN, "3ka", rev=1),
        post(BOB, "3kb", rev=1),
        sync(ANN, 5),
        post(ANN, "3kc", rev=5),
        post(ANN, "3kd", rev=4),
    ]
    path.write_bytes(b"\n".join(given))
    for _ in range(2):
        assert replay_file(settings, path).rejects == 0
    found = rows(settings, "SELECT rkey FROM posts ORDER BY 1")
    assert [row["rkey"] for row in found] == ["3kb", "3kc"]


@pytest.mark.anyio
async def test_heartbeats_keep_a_quiet_host_and_an_error_leaves_it(buffer: Buffer, settings: Settings) -> None:
    async with jetstream_host() as host, running(tuned(settings, host.url), buffer) as run:
        beats = [b'{"kind":"heartbeat"}', b'{"time_us":%d,"kind":"cursor"}' % START_US] * 20
        await host.give(*frames(0, 10), *beats, *frames(10, 10))
        await until(lambda: len(held(buffer)) == 20)
        assert len(host.cursors) == 1
        await host.give(b'{"kind":"error","error":"ConsumerTooSlow","message":"slow"}')
        await until(lambda: run.metric("bluelake_ingest_host_faults_total", reason="error_frame") > 0)
        assert notices(buffer, "rejects") == []
