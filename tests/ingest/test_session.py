"""A connection that is left for a hole: whoever comes to the hole behind the one who judged it does not cross it."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from bluelake.buffer.client import Buffer
from bluelake.core.metrics import INGEST_METRICS, Metrics
from bluelake.core.reasons import GapCause, HostFault
from bluelake.core.settings import Settings
from ingest.continuity import CONFIRMING_EVENTS, Continuity, Hole
from ingest.decoder import Decoder
from ingest.errors import HostError
from ingest.flusher import Flusher
from ingest.gaps import Gap
from ingest.host import HostState
from ingest.session import Beginning, Session
from ingest.wire_v1 import WireV1

SECOND_US = 1_000_000


@pytest.mark.anyio
async def test_a_hole_for_which_the_host_is_left_is_judged_once_by_reader_and_clock(
    buffer: Buffer, settings: Settings
) -> None:
    judged: list[Hole] = []
    continuity = Continuity(60 * SECOND_US, lambda: SECOND_US)
    for _ in range(CONFIRMING_EVENTS):
        continuity.admit(("likes", b"x", 90 * SECOND_US, None))
    hole = continuity.hole
    assert hole == Hole(SECOND_US, 90 * SECOND_US, GapCause.REPLAY_STARTS_LATE, 60 * SECOND_US)

    async def judge(asked: Hole) -> Gap:
        judged.append(asked)
        await asyncio.sleep(0)
        if len(judged) == 1:
            raise HostError(HostFault.GAP, "another host is to be asked first")
        return Gap(asked.from_us, asked.to_us, asked.cause)

    metrics = Metrics(INGEST_METRICS, CollectorRegistry())
    flusher = Flusher(settings, buffer, metrics, asyncio.Event())
    flusher.resume()
    host = HostState.configured("ws://host/subscribe", settings)
    decoder = Decoder(settings, WireV1(0))
    session = Session(settings, flusher, metrics, host, decoder, continuity, judge, Beginning(0, 0))

    outcomes = await asyncio.gather(session._pass(hole), session._pass(hole), return_exceptions=True)

    assert judged == [hole]
    assert [str(outcome) for outcome in outcomes] == ["another host is to be asked first"] * 2
