"""A tour of every crash point: one world in which a process dies at each of them, one after the other, and then the oracle."""

import time
from collections.abc import Sequence
from pathlib import Path

from bluelake.core.crash import CRASH_POINTS
from harness.chaos.plan import PROCESS_OF_POINT, draw
from harness.chaos.processes import POLL_SECONDS
from harness.chaos.run import Outcome, conclude
from harness.chaos.world import World
from harness.errors import HarnessError

POINT_SECONDS = 120.0
# Batches small enough that every drain leaves something for the next one.
BATCH_EVENTS = 400
# A world with two hosts whose clocks lie apart, v2, compressed, and with the hard stories of the simulator.
TOUR_SEED = 216


def tour(folder: Path, points: Sequence[str] = CRASH_POINTS, seed: int = TOUR_SEED) -> Outcome:
    """Let a process die at each of `points`, in `folder`. The outcome's `hits` say where one did."""
    plan = draw(seed, [], drain_max_events=BATCH_EVENTS)
    outcome = Outcome(plan)
    began = time.monotonic()
    try:
        with World(plan, folder) as world:
            outcome.hits, outcome.notes = world.hits, world.notes
            for point in points:
                _die_at(world, point)
                world.notes.append(f"{world.elapsed:.2f}s died at {point}")
            world.end_faults()
            conclude(world, outcome)
    except HarnessError as error:
        outcome.failure = f"{type(error).__name__}: {error}"
    outcome.timings["tour"] = time.monotonic() - began
    return outcome


def _die_at(world: World, point: str) -> None:
    """Start the point's process with it, again and again, until it dies there. Raises HarnessError."""
    kind = next(kind for named, kind in PROCESS_OF_POINT.items() if named == point)
    deadline = time.monotonic() + POINT_SECONDS
    while not world.hits[point]:
        if time.monotonic() > deadline:
            raise HarnessError(f"{point}: no {kind} came there within {POINT_SECONDS:g} s")
        for child in world.running[kind]:
            child.kill()
            child.process.wait()
        world.running[kind].clear()
        world.armed[kind] = [point]
        child = world.start(kind)
        while not child.ended and not (kind == "ingest" and time.monotonic() > child.started + 10):
            world.keep(*({"ingest"} - {kind}))
            time.sleep(POLL_SECONDS)
        world.running[kind].remove(child)
        world.hits[child.crashed] += bool(child.crashed)
