"""The ingester as a process, killed or stopped at any moment: nothing that was served is missing afterwards."""

import asyncio
import json
import signal
import sys

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from tests.support.ingester import START_US, expected, frames, held, notices, rkeys, until
from tests.support.jetstream_host import JetstreamHost, jetstream_host
from tests.support.paths import ROOT
from tests.support.processes import clean_environment

pytestmark = pytest.mark.integration


async def ingester(settings: Settings, *hosts: JetstreamHost, **environment: str) -> asyncio.subprocess.Process:
    """A running `bluelake ingest`."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bluelake",
        "ingest",
        cwd=ROOT,
        stderr=asyncio.subprocess.DEVNULL,
        env=clean_environment(
            BLUELAKE_HOME=str(settings.home),
            REDIS_URL=settings.redis_url,
            JETSTREAM_URLS=",".join(host.url for host in hosts),
            JETSTREAM_START=str(START_US),
            REWIND_SECONDS="2",
            FAILOVER_REWIND_SECONDS="4",
            INGEST_METRICS_PORT="0",
            **environment,
        ),
    )


@pytest.mark.parametrize(
    ("wire", "compared"), [("v1", 1), ("v2", 1), ("v2", 2)], ids=["v1", "v2", "v2 and v1 compared"]
)
@pytest.mark.anyio
async def test_killed_anywhere_it_loses_nothing(buffer: Buffer, settings: Settings, wire: str, compared: int) -> None:
    deaths = ["before-flush:2", "after-flush-before-answer:2", "before-resume", "after-flush-before-answer"]

    async with jetstream_host(wire) as one, jetstream_host("v1") as two:
        two.clock_us = 1_500_000
        for number, death in enumerate(deaths):
            process = await ingester(settings, one, two, BLUELAKE_CRASH_AT=death, BLUELAKE_HOSTS_COMPARED=str(compared))
            for host in (one, two):
                await host.give(*frames(number * 1000, 1000))
            code = await asyncio.wait_for(process.wait(), 30)
            assert code == -signal.SIGKILL
            # The next run finds the one host away, and the one after that finds it back.
            one.refusal = (503, "", {}) if number % 2 == 0 else None
        process = await ingester(settings, one, two, BLUELAKE_HOSTS_COMPARED=str(compared))
        try:
            await until(lambda: rkeys(buffer) == expected(0, 1000 * len(deaths)))
        finally:
            process.terminate()
            assert await process.wait() == 0
        assert notices(buffer, "gaps") == []


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.anyio
async def test_stopped_it_flushes_what_it_has(buffer: Buffer, settings: Settings, wire: str) -> None:
    async with jetstream_host(wire) as host:
        process = await ingester(settings, host, FLUSH_SECONDS="60")
        try:
            await host.give(*frames(0, 100))
            status = settings.home / "status" / "ingest.json"
            await until(lambda: status.exists() and "100 events" in status.read_text())
            assert held(buffer) == []
        finally:
            process.terminate()
            assert await process.wait() == 0
        assert rkeys(buffer) == expected(0, 100)
        assert json.loads(status.read_text())["state"] == "stopped"
