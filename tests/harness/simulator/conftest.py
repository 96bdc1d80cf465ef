"""What the simulator's tests share: one long stretch of generated events."""

import gc
import json

import pytest

from harness.simulator.generator import generate_events
from tests.support.simulator import START_US, Generated


@pytest.fixture(scope="session")
def generated() -> Generated:
    """50,000 events at 967/s."""
    events = list(generate_events(50_000, seed=3, start_us=START_US, rate=967.0, accounts=4000))
    frames = [json.loads(event.frame) for event in events]
    truths = [json.loads(event.truth) for event in events]
    # They stay to the end: looking through them again at every collection would take a third of the tests' time.
    gc.freeze()
    return Generated(events, frames, truths)
