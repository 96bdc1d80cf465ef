"""The demo's simulator: one timeline a BLUELAKE_HOME, continued at every start."""

from pathlib import Path

from core.clock import now_us
from core.errors import BluelakeError
from core.files import write_durably
from core.settings import Settings, require_home

HISTORY_DAYS = 2


def epoch_us(settings: Settings) -> int:
    """Where this home's simulated history ends and live begins, microseconds since 1970: when it was first asked for."""
    folder = require_home(settings, create=True) / "simulator"
    folder.mkdir(exist_ok=True)
    path = folder / "epoch"
    if not path.exists():
        write_durably(path, f"{now_us()}\n".encode())
    return int(path.read_text())


def history_start_us(settings: Settings) -> int:
    """When this home's simulated history begins, microseconds since 1970."""
    return epoch_us(settings) - HISTORY_DAYS * 86_400_000_000


def simulate(
    settings: Settings,
    *,
    port: int | None,
    rate: float | None,
    history: str | None,
    history_rate: float,
    seed: int,
    file: Path | None,
    ledger: Path | None,
    hosts: int,
    clock_offsets: str,
    retention: str | None,
    sync_share: float,
    hard_cases: float,
    faults: bool,
) -> None:
    """Serve Jetstream in the foreground until SIGTERM. What is None is the demo's. Raises BluelakeError."""
    from simulator.errors import SimulatorError
    from simulator.options import SimulatorOptions, parse_duration, parse_offsets
    from simulator.run import run

    epoch = epoch_us(settings)
    try:
        run(
            SimulatorOptions(
                port=settings.simulator_port if port is None else port,
                rate=rate,
                history=parse_duration(history or ("0" if file is not None else f"{HISTORY_DAYS}d")),
                history_rate=history_rate,
                seed=seed,
                epoch_us=epoch,
                file=file,
                ledger=ledger or settings.home / "simulator" / "ledger.jsonl",
                hosts=hosts,
                clock_offsets=parse_offsets(clock_offsets),
                retention=parse_duration(retention) if retention is not None else None,
                sync_share=sync_share,
                hard_cases=hard_cases,
                faults=faults,
            )
        )
    except SimulatorError as error:
        translated = BluelakeError(str(error))
        translated.exit_code = error.exit_code
        raise translated from error
