"""One run's world: its processes are kept running, drains and seals come again and again, and faults are taken back in time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from bluelake.core.clock import OFFSET_VARIABLE, to_datetime
from bluelake.core.files import LOG_VARIABLE
from harness.chaos.disk import SmallDisk
from harness.chaos.plan import LIVE_SECONDS, Plan
from harness.chaos.processes import POLL_SECONDS, ROOT, Child, RedisProcess, SimulatorProcess, bare_environment, start
from harness.errors import HarnessError, PipelineError

ACCOUNTS = 300
COMMANDS = {
    "ingest": ["bluelake", "ingest"],
    "drain": ["bluelake", "drain"],
    "seal": ["bluelake", "seal"],
    "maintain": ["bluelake", "maintain"],
    "refresh": ["bluelake", "views", "refresh"],
    "replay": ["bluelake", "replay"],
}
# Seconds between the end of one and the start of the next; kinds that are not here come when an action asks for them.
EVERY = {"drain": 0.4, "seal": 1.5}
RESTART_SECONDS = 0.3
# What the simulator takes to make the history, and the ingester to connect, about.
START_SECONDS = 3.0
IDLE_SECONDS = 2.0
# A cursor this close to the last event has seen it: clocks lie up to four seconds apart.
NEAR_END_US = 5_000_000
COMMAND_SECONDS = 180.0
# How long an ingester may take to end when it is told to, on a machine that is busy.
STOP_SECONDS = 20.0
SETTLING_EVENTS = 500_000
LITTER_AGE_SECONDS = 30 * 86_400.0
PATHS = {"v1": "/subscribe", "v2": "/xrpc/network.bsky.jetstream.subscribeEvents"}


class World:
    """The processes of one run in `folder`. Use as a context: at its end every process has ended.

    `done`: how many actions of each kind took effect. `hits`: crash points at which a process has died. `exits`: how often a
    command of each kind has failed while there were faults. `wrong`: what no fault excuses. `refused`: what could not be done
    here, and why. `purged_us`: when the last seal and maintenance began, microseconds since 1970.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.home = folder / "home"
        self.logs = folder / "logs"
        self.done: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self.exits: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.refused: list[str] = []
        self.notes: list[str] = []
        self.purged_us: int | None = None
        self.armed: dict[str, list[str]] = {kind: [] for kind in COMMANDS}
        self.running: dict[str, list[Child]] = {kind: [] for kind in COMMANDS}
        self._due = {"ingest": 0.0, "drain": 1.0, "seal": 2.0}
        self._held_until: dict[str, float] = {}
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self.disk = SmallDisk(self.home)
        self._settling = False
        self.fsync_log = folder / "fsync.jsonl"
        self.clock_file = folder / "clock"
        self.epoch_us = 0
        self.redis = RedisProcess(folder / "redis")
        self.simulator = SimulatorProcess(plan.hosts, folder)
        self._began = 0.0
        self._ports: Sequence[int] = self.simulator.ports

    def __enter__(self) -> "World":
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        for path in (self.home, self.logs):
            path.mkdir(parents=True)
        self.clock_file.write_text("0")
        if self.plan.small_disk:
            self.disk.mount()
        self.redis.start()
        # Live events begin when the simulator is ready for them, also on a machine that is busy with something else.
        seconds = START_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        self._began = time.monotonic() + seconds
        self.epoch_us = time.time_ns() // 1000 + int(seconds * 1e6)
        plan = self.plan
        options = {
            "--rate": f"{plan.live_rate:.1f}",
            "--live": f"{LIVE_SECONDS:g}s",
            "--history": f"{plan.history_minutes}m",
            "--history-rate": f"{plan.history_rate:.2f}",
            "--hard-cases": str(plan.hard_cases),
            "--sync-share": str(plan.sync_share),
            "--seed": str(plan.seed),
            "--accounts": str(ACCOUNTS),
            "--epoch": str(self.epoch_us),
            "--clock-offsets": ",".join(f"{offset:g}" for offset in plan.clock_offsets),
        }
        words = [f"{name}={value}" for name, value in options.items()]
        self.simulator.begin(words)

    def __exit__(self, *error: object) -> None:
        for children in self.running.values():
            for child in children:
                child.kill()
                child.process.wait()
        self.simulator.kill()
        self.redis.kill()
        self.disk.unmount()

    @property
    def elapsed(self) -> float:
        """Seconds since the live events began."""
        return time.monotonic() - self._began

    def environment(self) -> dict[str, str]:
        """The settings of every process of the pipeline."""
        plan = self.plan
        return bare_environment(
            BLUELAKE_HOME=str(self.home),
            REDIS_URL=f"redis://127.0.0.1:{self.redis.port}/0",
            JETSTREAM_URLS=",".join(f"ws://127.0.0.1:{port}{PATHS[plan.wire]}" for port in self._ports),
            JETSTREAM_START=str(self.epoch_us - (plan.history_minutes * 60 + 60) * 1_000_000),
            JETSTREAM_COMPRESS=str(plan.compress).lower(),
            BLUELAKE_HOSTS_COMPARED=str(plan.compared),
            # Nothing that was lost is to come back by chance when everything is restarted at the end.
            REWIND_SECONDS="0.1" if self._settling else f"{plan.rewind_seconds:g}",
            # Hosts' clocks lie up to eight seconds apart.
            FAILOVER_REWIND_SECONDS="9",
            # At the end every host is silent, and going from one to the next would be no idleness.
            HOST_SILENT_SECONDS="600" if self._settling else "2",
            GAP_SECONDS="2.5",
            FLUSH_SECONDS="0.25",
            BUFFER_HIGH_WATER_MB="64",
            INGEST_METRICS_PORT="0",
            DRAIN_MAX_EVENTS=str(plan.drain_max_events if not self._settling else SETTLING_EVENTS),
            SEAL_DELAY_MINUTES="0",
            HEAVY_AUTHOR_POSTS="8",
            BLUELAKE_DELETIONS=plan.deletions,
            MAX_ROWS_FLAG="false",
            DUCKDB_THREADS="1",
            DUCKDB_MEMORY_MB="512",
            **{OFFSET_VARIABLE: str(self.clock_file), LOG_VARIABLE: str(self.fsync_log)},
        )

    def start(self, kind: str) -> Child:
        """Start a command of the pipeline, with the crash point that is armed for it."""
        if kind == "maintain":
            self._leave_litter()
        crash = self.armed[kind].pop(0) if self.armed[kind] else ""
        child = start(kind, COMMANDS[kind], self.logs / f"{kind}.log", self.environment(), crash)
        self.running[kind].append(child)
        return child

    def _leave_litter(self) -> None:
        """What a writer that was killed days ago left: something for a vacuum to remove."""
        litter = self.home / "lake" / "posts" / ".litter.1.tmp"
        if litter.parent.is_dir():
            with suppress(OSError):
                litter.write_bytes(b"half a file")
                os.utime(litter, (time.time() - LITTER_AGE_SECONDS,) * 2)

    def undo_in(self, seconds: float, undo: Callable[[], None]) -> None:
        """Take a fault back after so many seconds, or when the run's faults end."""
        self._undo.append((time.monotonic() + seconds, undo))

    def run_until(self, moment: float) -> None:
        """Keep everything running until `moment`, seconds after the live events began."""
        while self.elapsed < moment:
            self.tend()
            time.sleep(POLL_SECONDS)

    def run_while(self, condition: Callable[[], bool], seconds: float) -> None:
        """Keep everything running for at most so many seconds while `condition` holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and condition():
            self.tend()
            time.sleep(POLL_SECONDS)

    def is_armed(self) -> bool:
        """Whether a process has yet to come to its crash point."""
        return any(self.armed.values()) or any(child.crash for children in self.running.values() for child in children)

    def is_running(self, kind: str) -> bool:
        """Whether a process of `kind` is running."""
        return any(not child.ended for child in self.running[kind])

    def tend(self) -> None:
        """One look at everything: what has ended is noted and started again when it is due, faults are taken back."""
        now = time.monotonic()
        for due, undo in [item for item in self._undo if item[0] <= now]:
            self._undo.remove((due, undo))
            undo()
        for kind, children in self.running.items():
            for child in [child for child in children if child.ended]:
                children.remove(child)
                self._note(child)
                self._due[kind] = now + EVERY.get(kind, RESTART_SECONDS)
        self.keep("ingest", *EVERY)
        for kind, points in self.armed.items():
            if points and kind not in ("ingest", *EVERY) and not self.running[kind]:
                self.start(kind)

    def keep(self, *kinds: str) -> None:
        """Start those of `kinds` that are not running and are due."""
        for kind in kinds:
            due = max(self._due[kind], self._held_until.get(kind, 0.0))
            if all(child.ended for child in self.running[kind]) and time.monotonic() >= due:
                self.start(kind)

    def hold(self, kind: str, seconds: float) -> None:
        """Start none of `kind` for so many seconds."""
        self._held_until[kind] = time.monotonic() + seconds

    def is_held(self, kind: str) -> bool:
        """Whether none of `kind` may be started at the moment."""
        return time.monotonic() < self._held_until.get(kind, 0.0)

    def _note(self, child: Child) -> None:
        if child.crashed:
            self.hits[child.crashed] += 1
            self.done["crash"] += 1
        elif child.crash and child.kind in ("ingest", *EVERY):
            # It ended without coming there: the next one may.
            self.armed[child.kind].insert(0, child.crash)
        if child.failed:
            self.exits[child.kind] += 1

    def kill_all(self) -> None:
        """SIGKILL to every process of the pipeline."""
        for children in self.running.values():
            for child in children:
                child.kill()
                child.process.wait()
                self._note(child)
            children.clear()

    def replay(self, seconds: float) -> None:
        """Put what was drained of so many seconds before the live events, and of these, through the drain once more."""
        first, last = (
            to_datetime(self.epoch_us + int(moment * 1e6)).isoformat() for moment in (-seconds, LIVE_SECONDS)
        )
        words = [*COMMANDS["replay"], "--from", first, "--to", last]
        self.running["replay"].append(start("replay", words, self.logs / "replay.log", self.environment()))

    def end_faults(self) -> None:
        """Take every fault back and let what is running end; nothing is started again."""
        for _, undo in self._undo:
            undo()
        self._undo.clear()
        self.clock_file.write_text("0")
        for child in self.running["ingest"]:
            child.kill(signal.SIGTERM)
        for kind, children in self.running.items():
            for child in children:
                try:
                    child.wait(STOP_SECONDS if kind == "ingest" else COMMAND_SECONDS)
                except HarnessError as error:
                    self.wrong.append(f"{error} although every fault had been taken back")
                self._note(child)
            children.clear()

    def finish_all(self) -> None:
        """Everything restarted clean, until all that happened is in the lake, its hours are sealed and what is deleted has left
        them. Raises PipelineError."""
        self._settling = True
        self._ports = self._newest_first()
        for idle in (IDLE_SECONDS, 2 * IDLE_SECONDS, 4 * IDLE_SECONDS):
            # On a busy machine it can find nothing for so long before it has even connected.
            self.finish("ingest", "--exit-when-idle", f"{idle:g}")
            if self._is_caught_up():
                break
        self.finish("drain")
        self.purged_us = time.time_ns() // 1000
        self.finish("seal")
        self.finish("maintain")

    def _newest_first(self) -> list[int]:
        """The hosts' ports, first that of the one that was read last: on another one the ingester would go back by
        FAILOVER_REWIND_SECONDS, and have once more what a fault has lost."""
        cursors = json.loads(self.redis.client.hget("firehose:metadata", "cursors") or "{}")
        offsets = dict(zip(self.simulator.ports, self.plan.clock_offsets, strict=True))

        def read_until(port: int) -> float:
            cursor = cursors.get(f"127.0.0.1:{port}")
            return cursor["time_us"] - offsets[port] * 1e6 if cursor else 0.0

        return sorted(self.simulator.ports, key=read_until, reverse=True)

    def _is_caught_up(self) -> bool:
        """Whether the ingester has come to the end of what the simulator serves, as far as its cursors tell."""
        latest_us = int(str(self.simulator.control(0, "state")["latest_us"]))
        cursors = json.loads(self.redis.client.hget("firehose:metadata", "cursors") or "{}")
        return any(cursor["time_us"] > latest_us - NEAR_END_US for cursor in cursors.values())

    def finish(self, kind: str, *arguments: str) -> str:
        """Run a command to its end. Returns what it printed. Raises PipelineError if it fails."""
        log = self.logs / f"{kind}.log"
        with log.open("ab") as errors:
            try:
                done = subprocess.run(
                    [sys.executable, "-m", *COMMANDS.get(kind, ["bluelake", kind]), *arguments],
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=self.environment(),
                    cwd=ROOT,
                    timeout=COMMAND_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise PipelineError(f"{kind}: did not end within {COMMAND_SECONDS:g} s; {log}") from None
        if done.returncode:
            end = " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
            raise PipelineError(f"{kind}: exit code {done.returncode} although nothing was wrong any more: {end}")
        return done.stdout.decode()
