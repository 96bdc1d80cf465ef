"""Backfill: fetch a span of time from Jetstream hosts again, and replay it into the lake.

The hosts are asked one after the other. Each answer is recorded into a file, replayed, and removed. The backfill stops at
the first host that served the whole span. Example: one host has 12:00 to 12:05 and the next one 12:05 to 12:10. The first
replay closes the first half of a gap from 12:00 to 12:10, and the second replay closes the rest.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from secrets import token_hex

from bluelake.core.scratch import own_folder
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store, make_ready
from bluelake.lake.locks import exclusive
from bluelake.lake.status import read_gaps
from ingest.jetstream import host_name
from repair.gaps import wholly_closed
from repair.recorder import NotServedError, Recorded, record
from repair.recordings import recording_of
from repair.replay import Progress, Replayed, replay_recording
from repair.router import Router

# Opens a display for a stage: called with its name and its unit, it gives a function that takes (done, total).
Display = Callable[[str, str], AbstractContextManager[Progress]]


def _no_display(stage: str, unit: str) -> AbstractContextManager[Progress]:
    return nullcontext(lambda done, total: None)


def backfill_span(
    settings: Settings,
    start_us: int,
    end_us: int,
    *,
    hosts: Sequence[str] = (),
    display: Display = _no_display,
    note: Callable[[str], None] = lambda line: None,
) -> Replayed:
    """Fetch the events from `start_us` to `end_us`, microseconds since 1970, and replay them. Returns the summed counts.

    `hosts`: the URLs to ask; empty: those of JETSTREAM_URLS. The wire is that of JETSTREAM_WIRE, as for the ingester.
    Gaps are closed as far as the hosts really served them. The result names those of which nothing stays open.
    `display` shows two stages a host, "fetch" in seconds and "replay" in bytes. `note` is called with lines for a person:
    what a host says, and why one serves nothing.
    Raises the last NotServedError if no host serves the span; RecordingError, LakeError, OSError.
    """
    asked = hosts or settings.jetstream_urls
    store = Store(settings.lake_dir)
    with exclusive(settings, "drain"):
        # A power loss may have left a log that cannot be read.
        make_ready(settings, store)
    before = read_gaps(settings, store)
    # A gap is wider than what was missed by this margin. So a host needs to serve only what lies between.
    margin_us = settings.rewind_us
    needed = (start_us + margin_us, end_us - margin_us)
    total, failed = Replayed(), []
    for url in asked:
        try:
            served, replayed = _backfill_from(url, settings, start_us, end_us, display, note)
        except NotServedError as error:
            failed.append(error)
            note(str(error))
            continue
        total.add(replayed)
        if served.reaches(*needed) and replayed.held(*needed):
            break
    if len(failed) == len(asked):
        raise failed[-1]
    # One host may leave parts of a gap that the next one closes. Together they have closed one gap.
    total.closed = wholly_closed(before, read_gaps(settings, store))
    return total


def _backfill_from(
    url: str, settings: Settings, start_us: int, end_us: int, display: Display, note: Callable[[str], None]
) -> tuple[Recorded, Replayed]:
    """Record the span and a margin on either side from one host, and replay it. Raises NotServedError."""
    path = own_folder(settings.spill_dir) / f"backfill-{token_hex(4)}.ndjson.zst"
    try:
        with display("fetch", "seconds") as progress:
            served = record(
                url,
                start_us - settings.rewind_us,
                end_us + settings.rewind_us,
                path,
                wire=None if settings.jetstream_wire == "auto" else settings.jetstream_wire,
                progress=lambda at_us: progress((at_us - start_us) // 10**6, (end_us - start_us) // 10**6),
            )
        for line in served.notes:
            note(f"{host_name(url)} {line}")
        with display("replay", "bytes") as progress:
            router = Router(settings, served.wire)
            return served, replay_recording(settings, recording_of(path), router, closes=True, progress=progress)
    finally:
        path.unlink(missing_ok=True)
