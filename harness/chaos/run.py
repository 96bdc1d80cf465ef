"""One run: a world, its faults, and what the oracle says of what is left."""

import csv
import io
import json
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.chaos.faults import apply
from harness.chaos.plan import LIVE_SECONDS, Plan
from harness.chaos.world import World
from harness.errors import HarnessError
from harness.oracle.deltalog import Row
from harness.oracle.judge import Verdict, judge
from harness.oracle.judge import World as Facts
from harness.oracle.truth import RECORD_TABLES, read_truth

ARMED_SECONDS = 4.0
SHOWN_TABLES = (*RECORD_TABLES, "accounts")


@dataclass
class Outcome:
    """What a run came to. `failure`: empty where all is well. `timings`: seconds by part of the run."""

    plan: Plan
    failure: str = ""
    verdict: Verdict | None = None
    done: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, nothing doubled, nothing shown that is gone."""
        return not self.failure


def run(plan: Plan, folder: Path) -> Outcome:
    """Do one run in `folder`, which is emptied first; it is removed again if all is well."""
    shutil.rmtree(folder, ignore_errors=True)
    outcome = Outcome(plan)
    began = time.monotonic()
    try:
        with World(plan, folder) as world:
            outcome.hits, outcome.refused, outcome.notes = world.hits, world.refused, world.notes
            outcome.done, outcome.exits = world.done, world.exits
            outcome.timings["start"] = time.monotonic() - began
            for action in plan.actions:
                world.run_until(action.at)
                apply(world, action)
            world.run_until(LIVE_SECONDS)
            world.run_while(world.is_armed, ARMED_SECONDS)
            outcome.timings["faults"] = time.monotonic() - began - outcome.timings["start"]
            world.end_faults()
            conclude(world, outcome)
    except HarnessError as error:
        outcome.failure = f"{type(error).__name__}: {error}"
    outcome.timings["all"] = time.monotonic() - began
    if outcome.ok:
        shutil.rmtree(folder)
    else:
        (folder / "notes.txt").write_text("\n".join([str(plan), *outcome.notes, *outcome.refused, outcome.failure, ""]))
    return outcome


def conclude(world: World, outcome: Outcome) -> None:
    """Bring everything into the lake and let the oracle judge it. Raises HarnessError."""
    began = time.monotonic()
    plan = world.plan
    world.finish_all()
    outcome.timings["finish"] = time.monotonic() - began
    shown = shown_rows(world)
    offsets = dict(zip(world.simulator.ports, (round(s * 1e6) for s in plan.clock_offsets), strict=True))
    facts = Facts(
        offsets,
        purged_us=world.purged_us if plan.deletions == "purge" else None,
        kinds_left_out=frozenset({"sync"} if plan.wire == "v1" else ()),
        garbage=any(action.name == "host-garbage" for action in plan.actions),
    )
    outcome.verdict = judge(
        read_truth(world.simulator.ledger), world.home / "lake", shown, facts, exported_posts(world)
    )
    outcome.timings["judge"] = time.monotonic() - began - outcome.timings["finish"]
    wrong = [*world.wrong, *tracebacks(world.logs)]
    if wrong or not outcome.verdict.ok:
        outcome.failure = "\n".join([*wrong, outcome.verdict.report()])


def tracebacks(logs: Path) -> list[str]:
    """What the pipeline's processes did not expect, whatever was done to them: by log, the first traceback's last line."""
    found = []
    for path in sorted(logs.iterdir()):
        _, mark, rest = path.read_text(errors="replace").partition("Traceback (most recent call last):")
        if mark:
            last = next((line for line in rest.splitlines()[1:] if line and not line.startswith((" ", "\t"))), "")
            found.append(f"unexpected: {path.name}: {last}")
    return found


def exported_posts(world: World) -> list[str]:
    """The at:// URIs of the posts that `bluelake export` writes."""
    return [row["id"] for row in csv.DictReader(io.StringIO(world.finish("export"), newline=""))]


def shown_rows(world: World) -> dict[str, list[Row]]:
    """What `bluelake sql` shows as current, by table; times in microseconds since 1970."""
    parts = []
    for table in SHOWN_TABLES:
        times = "event_at, epoch_us(created_at) AS created_at".replace("event_at", "epoch_us(event_at) AS event_at", 1)
        parts.append(
            f"SELECT '{table}' AS shown, to_json(r)::VARCHAR AS line FROM (SELECT * REPLACE ({times}) FROM {table}) AS r"
        )
    lines: Sequence[dict[str, str]] = json.loads(world.finish("sql", " UNION ALL ".join(parts), "--json"))
    rows: dict[str, list[Row]] = {table: [] for table in SHOWN_TABLES}
    for line in lines:
        rows[line["shown"]].append(json.loads(line["line"]))
    return rows
