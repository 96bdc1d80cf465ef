"""What one run is to do: a function of its seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bluelake.core.crash import CRASH_POINTS, CrashPoint

LIVE_SECONDS = 7.0
# From when on actions come, and how far before the end of the live events the last one may come, seconds.
FIRST_ACTION, LAST_ACTION = 0.8, 0.5
# What hosts keep to themselves can be noticed only if something comes after it: these come early.
EARLY = frozenset({"host-skip", "outage"})
EARLY_BETWEEN = (0.3, 1.5)

PROCESS_OF_POINT: dict[CrashPoint, str] = {
    "before-flush": "ingest",
    "after-flush-before-answer": "ingest",
    "before-resume": "ingest",
    "before-offered": "drain",
    "after-offered": "drain",
    "after-raw-file": "drain",
    "after-commit-before-fsync": "drain",
    "between-table-commits": "drain",
    "after-fsync-before-batches-row": "drain",
    "after-batches-row-before-watermark": "drain",
    "after-watermark-before-trim": "drain",
    "after-trim": "drain",
    "before-seal-commit": "seal",
    "mid-seal-commit": "seal",
    "after-seal-commit": "seal",
    "mid-vacuum": "maintain",
    "before-publish-rename": "refresh",
    "after-publish-rename": "refresh",
    "after-publish-pointer": "refresh",
}
# How often each action is drawn, among each other.
WEIGHTS = {
    "crash": 30,
    "kill-ingest": 5,
    "stop-ingest": 3,
    "kill-drain": 6,
    "kill-seal": 3,
    "kill-simulator": 3,
    "two-drains": 4,
    "two-ingesters": 4,
    "redis-kill": 4,
    "redis-flush": 5,
    "redis-empty": 4,
    "redis-stop": 3,
    "redis-pause": 3,
    "redis-full": 4,
    "host-drop": 4,
    "host-stall": 3,
    "host-slow": 2,
    "host-duplicate": 4,
    "host-back": 5,
    "host-skip": 4,
    "host-refuse": 3,
    "host-error": 3,
    "host-garbage": 4,
    "outage": 3,
    "disk-full": 4,
    "power-loss": 6,
    "clock-step": 4,
    "replay": 3,
}
# Views take seconds to build: their points come seldom.
_RARE = frozenset(point for point, process in PROCESS_OF_POINT.items() if process == "refresh")
_RARE_SHARE = 0.1


@dataclass(frozen=True)
class Action:
    """Something that goes wrong, or is done, `at` so many seconds after the live events began. `argument`: what it is about."""

    at: float
    name: str
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.at:.1f}s {self.name}{' ' + self.argument if self.argument else ''}"


@dataclass(frozen=True)
class Plan:
    """One run. `compared`: hosts that are read at once. `small_disk`: the state lies on a disk of its own that can be filled.
    `history_minutes`: so many lie before the live events, which come at `live_rate` a second. `hard_cases`, `sync_share`: shares
    of the events that begin a story of the simulator's. `rewind_seconds`: how far a resume goes back on the same host."""

    seed: int
    wire: str
    hosts: int
    clock_offsets: tuple[float, ...]
    compared: int
    compress: bool
    history_minutes: int
    history_rate: float
    live_rate: float
    hard_cases: float
    sync_share: float
    drain_max_events: int
    small_disk: bool
    deletions: str
    rewind_seconds: float
    actions: tuple[Action, ...]

    def __str__(self) -> str:
        what = f"{self.wire}, {self.hosts} host{'s' * (self.hosts > 1)}"
        if any(self.clock_offsets):
            what += f" ({', '.join(f'{offset:+g}' for offset in self.clock_offsets)} s)"
        what += f", {self.compared} compared" * (self.compared > 1) + ", compressed" * self.compress
        what += f", {self.deletions}" * (self.deletions != "purge")
        return what + ": " + "; ".join(map(str, self.actions))


def draw(seed: int, names: Sequence[str] | None = None, *, drain_max_events: int | None = None) -> Plan:
    """The plan of `seed`. `names`: the actions to take, in their order, instead of drawn ones; `crash:POINT` names a point.
    `drain_max_events`: instead of a drawn one."""
    rng = random.Random(f"chaos {seed}")
    wire = rng.choice(("v1", "v2"))
    hosts = rng.choice((1, 1, 2, 2, 3))
    offsets = tuple(round(rng.uniform(-4, 4), 1) if host else 0.0 for host in range(hosts))
    count = rng.randint(3, 6)
    chosen = list(names) if names is not None else rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    moments = sorted(rng.uniform(FIRST_ACTION, LIVE_SECONDS - LAST_ACTION) for _ in chosen)
    # A point is come to only by who has work.
    chosen.sort(key=lambda name: 0 if name in EARLY else 1 if name.startswith("crash") else rng.choice((1, 2)))
    moments = [rng.uniform(*EARLY_BETWEEN) if name in EARLY else at for at, name in zip(moments, chosen, strict=True)]
    drawn = [_action(rng, at, name, hosts) for at, name in zip(moments, chosen, strict=True)]
    actions = tuple(sorted(drawn, key=lambda action: action.at))
    if "outage" in chosen:
        # Across clocks that lie apart by more than a gap is long, nobody could tell that there is one.
        offsets = tuple(round(offset / 20, 2) for offset in offsets)
    return Plan(
        seed=seed,
        wire=wire,
        hosts=hosts,
        clock_offsets=offsets,
        compared=2 if hosts > 1 and rng.random() < 0.4 else 1,
        compress=rng.random() < 0.3,
        history_minutes=rng.choice((65, 65, 125)),
        history_rate=rng.uniform(1.0, 2.0),
        live_rate=rng.uniform(150, 400),
        hard_cases=rng.choice((0.0, 0.03)),
        # v1 does not carry resets: a record that comes again after one would be there twice.
        sync_share=0.004 if wire == "v2" else 0.0,
        drain_max_events=drain_max_events or rng.choice((1500, 4000, 500_000)),
        small_disk=any(action.name == "disk-full" for action in actions),
        deletions="keep" if rng.random() < 0.15 else "purge",
        rewind_seconds=rng.choice((0.1, 1.0, 5.0)),
        actions=actions,
    )


def _action(rng: random.Random, at: float, name: str, hosts: int) -> Action:
    name, _, given = name.partition(":")
    argument = given
    if name == "crash" and not given:
        rare = rng.random() < _RARE_SHARE
        point = rng.choice([point for point in CRASH_POINTS if (point in _RARE) == rare])
        argument = f"{point}:{rng.choice((1, 1, 1, 2))}"
    elif name.startswith("host-") and not given:
        argument = f"{rng.randrange(hosts)} {rng.randint(1, 3)}"
    elif name == "clock-step" and not given:
        argument = f"{rng.choice((-90, -20, -3, 3, 20, 90))}"
    elif name in ("redis-stop", "redis-pause", "redis-full", "disk-full") and not given:
        argument = f"{rng.uniform(0.5, 2.0):.1f}"
    elif name == "replay" and not given:
        argument = str(rng.choice((10, 600, 7200)))
    elif name == "power-loss" and not given:
        argument = str(rng.randrange(1 << 30))
    return Action(at, name, argument)
