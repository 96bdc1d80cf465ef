"""Running the simulator in the foreground, and writing frames to a file."""

import asyncio
import signal
from pathlib import Path

from harness.simulator.errors import FramesFileError, OptionError
from harness.simulator.generator import generate_events
from harness.simulator.ledger import Ledger
from harness.simulator.options import SimulatorOptions
from harness.simulator.server import serve

_BATCH = 1024


def run(options: SimulatorOptions) -> None:
    """Serve until SIGTERM or SIGINT, and say where. Raises SimulatorError."""
    asyncio.run(_run(options))


async def _run(options: SimulatorOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def listening(port: int) -> None:
        host = f"[{options.host}]" if ":" in options.host else options.host
        print(f"listening on ws://{host}:{port}/subscribe", flush=True)

    def live(events: int) -> None:
        print(f"history complete: {events} events; live at {options.live_rate:g} events/s", flush=True)

    await serve(options, stop=stop, on_listening=listening, on_live=live)


def generate(
    out: Path, *, count: int, seed: int, start_us: int, rate: float, accounts: int, ledger: Path | None = None
) -> int:
    """Write `count` frames to `out`, a line each, and their truth to `ledger`. Returns the bytes written.

    start_us: the time of the first, microseconds since 1970. rate: mean events a second. Raises SimulatorError.
    """
    if count < 0 or rate <= 0:
        raise OptionError(f"count={count}, rate={rate}: use a count of at least 0 and a rate above 0")
    if ledger is not None and ledger.exists() and ledger.stat().st_size:
        raise OptionError(f"ledger {ledger}: exists; choose another path")
    truth = Ledger(ledger) if ledger is not None else None
    written = 0
    try:
        with out.open("wb") as file:
            lines: list[str] = []
            for event in generate_events(count, seed, start_us, rate, accounts):
                written += file.write(event.frame + b"\n")
                if truth is not None:
                    lines.append(event.truth)
                    if len(lines) >= _BATCH:
                        truth.record(lines)
                        lines.clear()
            if truth is not None:
                truth.record(lines)
    except OSError as error:
        raise FramesFileError(f"out {out}: {error.strerror}; choose a writable path") from error
    finally:
        if truth is not None:
            truth.close()
    return written
