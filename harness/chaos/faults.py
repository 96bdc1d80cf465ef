"""What an action of a plan does to the world. Each takes the action's argument; most take themselves back after a while."""

import random
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import redis

from harness.chaos.plan import LIVE_SECONDS, PROCESS_OF_POINT, Action
from harness.chaos.power_loss import lose_power
from harness.chaos.world import World
from harness.errors import HarnessError

# A Redis that has nothing left to give, bytes.
_FULL_BYTES = 1 << 20
# Longer than GAP_SECONDS of a run.
SKIP_SECONDS = 4
# Faults that concern connections which a host has at that moment.
_ON_CONNECTIONS = frozenset({"drop", "duplicate", "back", "error", "garbage", "refuse"})
# Whose effect comes later, and is counted then.
_LATER = frozenset({"crash", "outage"})
# How long a fault waits for what it is about.
RUNNING_SECONDS = 2.0
OUTAGE_SECONDS = 4.5
# What happened so shortly before the ingester comes back, the hosts still have then.
REMEMBERED_SECONDS = 0.8


def apply(world: World, action: Action) -> None:
    """Make `action` happen. What the world refuses is noted there."""
    world.notes.append(f"{world.elapsed:.2f}s {action.name} {action.argument}".rstrip())
    try:
        if action.name.startswith("host-"):
            _host(world, action.name.removeprefix("host-"), *action.argument.split())
        else:
            ACTIONS[action.name](world, action.argument)
        if action.name not in _LATER:
            world.done[action.name] += 1
    except (HarnessError, redis.exceptions.RedisError, OSError) as error:
        # One fault may make another impossible: a Redis that is killed cannot be paused.
        world.refused.append(f"{action.name}: {error}")


def _crash(world: World, argument: str) -> None:
    kind = next(kind for point, kind in PROCESS_OF_POINT.items() if point == argument.partition(":")[0])
    world.armed[kind].append(argument)
    if kind == "ingest":
        _kill(world, kind, signal.SIGKILL)


def _kill(world: World, kind: str, number: signal.Signals) -> None:
    for child in world.running[kind]:
        child.kill(number)


def _killer(kind: str, number: signal.Signals = signal.SIGKILL) -> Callable[[World, str], None]:
    def kill(world: World, argument: str) -> None:
        world.run_while(lambda: not world.is_running(kind), RUNNING_SECONDS)
        if not world.is_running(kind):
            raise HarnessError(f"no {kind} was running")
        _kill(world, kind, number)

    return kill


def _kill_simulator(world: World, argument: str) -> None:
    world.simulator.kill()
    world.simulator.start()


def _two(kind: str) -> Callable[[World, str], None]:
    def start(world: World, argument: str) -> None:
        for _ in range(2 if kind == "drain" else 1):
            world.start(kind)

    return start


def _two_ingesters(world: World, argument: str) -> None:
    if world.is_held("ingest"):
        raise HarnessError("the ingester is to be down")
    second = world.start("ingest")
    world.undo_in(2.5, lambda: second.kill(signal.SIGTERM))


def _outage(world: World, argument: str) -> None:
    """The ingester is down for longer than the hosts keep anything."""
    if world.elapsed + OUTAGE_SECONDS > LIVE_SECONDS - 0.5:
        raise HarnessError("nothing would come after it, so that nobody could notice")

    def forget() -> None:
        if world.elapsed > LIVE_SECONDS - REMEMBERED_SECONDS:
            world.refused.append("outage: the machine was so slow that nothing would have come after it")
            return
        # All from the same moment on: which of two hosts had some milliseconds more, nobody can tell.
        floor_us = world.epoch_us + int((world.elapsed - REMEMBERED_SECONDS) * 1e6)
        for host in range(world.plan.hosts):
            world.simulator.control(host, f"forget?before_us={floor_us}")
        world.done["outage"] += 1

    world.hold("ingest", OUTAGE_SECONDS)
    _kill(world, "ingest", signal.SIGKILL)
    world.undo_in(OUTAGE_SECONDS - 0.1, forget)


def _redis_kill(world: World, argument: str) -> None:
    world.redis.kill()
    world.undo_in(0.4, world.redis.start)


def _redis_empty(world: World, argument: str) -> None:
    world.redis.kill()
    world.redis.wipe()
    world.undo_in(0.2, world.redis.start)


def _redis_flush(world: World, argument: str) -> None:
    world.redis.client.flushall()


def _redis_stop(world: World, argument: str) -> None:
    world.redis.signal(signal.SIGSTOP)
    world.undo_in(float(argument), lambda: world.redis.signal(signal.SIGCONT))


def _redis_pause(world: World, argument: str) -> None:
    world.redis.client.client_pause(int(float(argument) * 1000))


def _redis_full(world: World, argument: str) -> None:
    def make_room() -> None:
        with suppress(redis.exceptions.RedisError):
            world.redis.client.config_set("maxmemory", 0)

    # Before: what is not answered in time may be done all the same.
    world.undo_in(float(argument), make_room)
    world.redis.client.config_set("maxmemory", _FULL_BYTES)


def _host(world: World, fault: str, host: str, seconds: str) -> None:
    if fault == "skip" and world.elapsed + SKIP_SECONDS > LIVE_SECONDS - 1:
        raise HarnessError("nothing would come after it, so that nobody could notice")
    query = {
        "drop": "drop?mid_frame=1",
        "stall": f"stall?seconds={seconds}",
        "slow": f"slow?rate=40&seconds={seconds}",
        "duplicate": f"duplicate?events={int(seconds) * 300}",
        "back": f"back?seconds={int(seconds) * 1000}",
        "skip": f"skip?seconds={SKIP_SECONDS}",
        "refuse": f"refuse?status={500 + int(seconds)}&seconds={seconds}",
        "error": "error?name=ConsumerTooSlow",
        "garbage": f"garbage?frames={int(seconds) * 10}",
    }[fault]
    number = _connected(world, int(host)) if fault in _ON_CONNECTIONS else int(host)
    world.simulator.control(number, query)
    if fault == "refuse":
        # Nobody would ask it meanwhile.
        world.simulator.control(number, "drop")


def _connected(world: World, host: int) -> int:
    """`host`, or another one that is being read. Raises HarnessError where none is within a while."""
    count = world.plan.hosts

    def reading() -> list[int]:
        turns = [(host + step) % count for step in range(count)]
        return [number for number in turns if world.simulator.control(number, "state")["connections"]]

    world.run_while(lambda: not reading(), RUNNING_SECONDS)
    if not (found := reading()):
        raise HarnessError("no host was being read")
    return found[0]


def _disk_full(world: World, argument: str) -> None:
    if not world.disk.is_mounted:
        raise HarnessError(world.disk.reason)
    world.disk.fill()
    world.undo_in(float(argument), world.disk.make_room)


def _power_loss(world: World, argument: str) -> None:
    rng = random.Random(argument)
    world.kill_all()
    world.redis.kill()
    lost = lose_power(world.home, world.fsync_log, rng)
    world.notes += [f"  {line}" for line in lost]
    fate = rng.choice(("kept", "cut", "empty"))
    world.notes.append(f"  Redis: {fate}")
    if fate == "empty":
        world.redis.wipe()
    elif fate == "cut":
        _cut_append_only_file(world.redis.folder, rng)
    world.redis.start()


def _cut_append_only_file(folder: Path, rng: random.Random) -> None:
    """Redis brings its file to the disk every second: the last second is gone."""
    for path in folder.rglob("*.incr.aof"):
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.truncate(size - rng.randint(0, min(size, 60_000)))


def _clock_step(world: World, argument: str) -> None:
    def set_clock(seconds: str) -> None:
        aside = world.clock_file.with_name("clock.new")
        aside.write_text(seconds)
        aside.replace(world.clock_file)

    set_clock(argument)
    world.undo_in(3.0, lambda: set_clock("0"))


def _replay(world: World, argument: str) -> None:
    world.replay(float(argument))


ACTIONS: dict[str, Callable[[World, str], None]] = {
    "crash": _crash,
    "kill-ingest": _killer("ingest"),
    "stop-ingest": _killer("ingest", signal.SIGTERM),
    "kill-drain": _killer("drain"),
    "kill-seal": _killer("seal"),
    "kill-simulator": _kill_simulator,
    "outage": _outage,
    "two-drains": _two("drain"),
    "two-ingesters": _two_ingesters,
    "redis-kill": _redis_kill,
    "redis-flush": _redis_flush,
    "redis-empty": _redis_empty,
    "redis-stop": _redis_stop,
    "redis-pause": _redis_pause,
    "redis-full": _redis_full,
    "disk-full": _disk_full,
    "power-loss": _power_loss,
    "clock-step": _clock_step,
    "replay": _replay,
}
