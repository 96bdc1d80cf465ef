"""The server: one timeline, served by one host or several, each on a port of its own."""

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, closing, nullcontext
from datetime import timedelta

from websockets.asyncio.server import Server
from websockets.asyncio.server import serve as serve_websockets

from harness.simulator.activity import Schedule
from harness.simulator.dictionary import Dictionary
from harness.simulator.errors import PortTakenError, SimulatorError
from harness.simulator.feeder import Feeder
from harness.simulator.frames_file import read_frames
from harness.simulator.frontend import Frontend
from harness.simulator.generator import Generator
from harness.simulator.host import Host
from harness.simulator.ledger import Ledger
from harness.simulator.options import SimulatorOptions
from harness.simulator.timeline import Timeline

# What may wait in a connection's own buffer: about a block.
_WRITE_LIMIT_BYTES = 1 << 18
_PING_SECONDS = 30
_CLOSE_SECONDS = 1
_MEGABYTE = 1_000_000


def now_us() -> int:
    """This machine's clock, microseconds since 1970."""
    return time.time_ns() // 1000


async def open_port(address: str, port: int, frontend: Frontend) -> Server:
    """Listen. Raises PortTakenError."""
    where = f"port {port} on {address}"
    try:
        return await serve_websockets(
            frontend.handle,
            address,
            port,
            process_request=frontend.process_request,
            select_subprotocol=frontend.select_subprotocol,
            # Frames are made beforehand, the same for all.
            compression=None,
            write_limit=_WRITE_LIMIT_BYTES,
            ping_interval=_PING_SECONDS,
            # A subscriber that does not read for a while is a matter of TCP, and no reason to drop it.
            ping_timeout=None,
            close_timeout=_CLOSE_SECONDS,
        )
    except socket.gaierror as error:
        raise PortTakenError(f"host {address}: {error.strerror}; use an address of this machine") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"{where} is taken; stop what listens there or choose another with --port") from error
        raise PortTakenError(f"{where}: {error.strerror or error}; choose another with --host or --port") from error


def _feeder(options: SimulatorOptions, timeline: Timeline, ledger: Ledger | None, clock: Callable[[], int]) -> Feeder:
    epoch_us = clock() if options.epoch_us is None else options.epoch_us
    schedule = Schedule.until(epoch_us, options.history, options.history_rate, options.live_rate, options.live)
    recorded = read_frames(options.file) if options.file is not None else iter(())
    happens = options.live_rate > 0 or (options.history > timedelta(0) and options.history_rate > 0)
    generator = None
    if happens:
        generator = Generator(
            options.seed,
            schedule,
            options.accounts,
            sync_share=options.sync_share,
            hard_cases=options.hard_cases,
            doubled_creates=options.doubled_creates,
            resyncs=options.resyncs,
            imported_times=options.imported_times,
            skewed_clocks=options.skewed_clocks,
        )
    return Feeder(timeline, ledger, clock, recorded, generator)


def _hosts(options: SimulatorOptions, timeline: Timeline, clock: Callable[[], int]) -> list[Host]:
    retention = options.retention
    return [
        Host(
            number,
            timeline,
            clock,
            offset_us=options.offset_us(number),
            retention_us=None if retention is None else retention // timedelta(microseconds=1),
            ledger=options.ledger,
        )
        for number in range(options.hosts)
    ]


async def serve(
    options: SimulatorOptions,
    *,
    stop: asyncio.Event,
    ready: asyncio.Event | None = None,
    on_listening: Callable[[int], None] | None = None,
    on_live: Callable[[int], None] | None = None,
    clock: Callable[[], int] = now_us,
) -> None:
    """Serve until `stop` is set.

    ready: set once the ports answer, which with `pregenerate` is when the history is complete. on_listening: called then with
    the port of each host in turn. on_live: called with the number of events when the history is complete. Raises SimulatorError.
    """
    with (
        closing(Timeline(options.keep_mb * _MEGABYTE)) as timeline,
        Ledger(options.ledger) if options.ledger is not None else nullcontext() as ledger,
    ):
        feeder = _feeder(options, timeline, ledger, clock)
        if options.pregenerate and not await _unless_stopped(feeder.catch_up(), stop):
            return
        async with AsyncExitStack() as servers:
            hosts, dictionary = _hosts(options, timeline, clock), Dictionary()
            for host in hosts:
                port = options.port + host.number if options.port else 0
                frontend = Frontend(host, control=options.faults, dictionary=dictionary, v1_sync=options.v1_sync)
                opened = await open_port(options.host, port, frontend)
                await servers.enter_async_context(opened)
                host.listens_at(next(iter(opened.sockets)).getsockname()[1])
            if on_listening is not None:
                for host in hosts:
                    on_listening(host.port)
            if ready is not None:
                ready.set()
            await _unless_stopped(_feed(feeder, timeline, on_live), stop)


async def _feed(feeder: Feeder, timeline: Timeline, on_live: Callable[[int], None] | None) -> None:
    if timeline.live_from is None:
        await feeder.catch_up()
    if on_live is not None:
        on_live(timeline.length)
    await feeder.follow()


async def _unless_stopped(work: Coroutine[None, None, None], stop: asyncio.Event) -> bool:
    """Do `work`, or cancel it when `stop` is set. True: it is done. Raises SimulatorError and what `work` raises."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        working.result()
        return True
    except OSError as error:
        raise SimulatorError(
            f"the timeline cannot be stored: {error.strerror}; make room in the temporary folder"
        ) from error
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
