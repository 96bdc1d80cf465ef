"""A connection that is left for a hole: whoever comes to the hole behind the one who judged it does not cross it."""

import asyncio

from prometheus_client import CollectorRegistry

from bluelake.buffer.client import Buffer
from bluelake.core.metrics import INGEST_METRICS, Metrics
from bluelake.core.reasons import GapCause, HostFault
from bluelake.core.settings import Settings
from ingest.continuity import Continuity, Hole
from ingest.errors import HostError
from ingest.flusher import Flusher
from ingest.session import Session
from ingest.wire_v1 import WireV1


def test_a_hole_for_which_the_host_is_left_is_judged_once_by_reader_and_clock(
    buffer: Buffer, settings: Settings
) -> None:
    judged: list[Hole] = []
    hole = Hole(1_000_000, 90_000_000, GapCause.HOST_SKIPPED, 60_000_000)

    async def judge(asked: Hole) -> tuple[int, int]:
        judged.append(asked)
        await asyncio.sleep(0)
        if len(judged) == 1:
            raise HostError(HostFault.GAP, "another host is to be asked first")
        return asked.from_us, asked.to_us

    async def scenario() -> list[object]:
        metrics = Metrics(INGEST_METRICS, CollectorRegistry())
        flusher = Flusher(settings, buffer, metrics, asyncio.Event())
        flusher.resume()
        continuity = Continuity(60_000_000, lambda: 0)
        continuity.hole = hole
        session = Session(settings, flusher, metrics, "host", WireV1(2**62), continuity, judge)
        return await asyncio.gather(session._pass(hole), session._pass(hole), return_exceptions=True)

    outcomes = asyncio.run(scenario())

    assert judged == [hole]
    assert [str(outcome) for outcome in outcomes] == ["another host is to be asked first"] * 2
