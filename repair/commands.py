"""Commands that put into the lake what it lacks: replay of a recording, backfill from a host."""

from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from bluelake.cli.output import complain, print_rows, progress_bar
from bluelake.core import clock
from bluelake.core.errors import ConfigurationError
from bluelake.core.scratch import own_folder
from bluelake.core.settings import load_settings, parse_start, require_home

if TYPE_CHECKING:
    from repair.replay import Replayed

_AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of a table.")]
_From = Annotated[str, Parameter(name="--from", help="Duration back (2h), RFC 3339 time or microseconds; inclusive.")]
_To = Annotated[str, Parameter(name="--to", help="The same; exclusive.")]
_Closes = Annotated[
    bool, Parameter(name="--closes", help="Whether FILE is complete for its span, so that gaps within it are closed.")
]


def replay(
    file: Path | None = None, /, *, from_: _From = "", to: _To = "", closes: _Closes = True, json: _AsJson = False
) -> None:
    """Take a recording of frames (NDJSON or .zst) into the lake, or, without FILE, the drained chunks under raw/ again.

    What the lake has already falls out, so that a replay can be repeated. A FILE closes the gaps that lie within what it
    holds, or within --from and --to where both are given; `--no-closes` for one that is not complete.
    """
    from bluelake.core.logs import set_up_logging
    from repair.recordings import EVER, recording_of, recording_of_raw
    from repair.replay import replay as run
    from repair.router import placer

    settings = load_settings()
    require_home(settings, create=False)
    set_up_logging("replay", settings.log_level)
    if file is None and not (from_ or to):
        raise ConfigurationError("replay: name a FILE, or --from and --to for the drained chunks under raw/")
    span = (_moment("--from", from_, EVER[0]), _moment("--to", to, EVER[1]))
    recording = recording_of_raw(settings.raw_dir, span) if file is None else recording_of(file, span)
    with progress_bar("replay", "bytes") as progress:
        result = run(
            settings,
            recording,
            placer(settings),
            closes=closes and file is not None,
            span_had=span if file is not None and from_ and to else None,
            progress=progress,
        )
    _print(result, as_json=json)


def backfill(
    *,
    from_: _From,
    to: _To = "now",
    host: Annotated[str, Parameter(help="The host to ask; default: each of JETSTREAM_URLS until one has it all.")] = "",
    json: _AsJson = False,
) -> None:
    """Fetch a span of time from a Jetstream host again, as far as it reaches back, and replay it into the lake.

    The wire is the one of JETSTREAM_WIRE, as for the ingester. Gaps are closed as far as the host really served them.
    """
    from bluelake.core.logs import set_up_logging
    from ingest.jetstream import host_name
    from repair.recorder import NotServedError, record
    from repair.recordings import recording_of
    from repair.replay import Replayed
    from repair.replay import replay as run
    from repair.router import placer

    settings = load_settings()
    require_home(settings, create=False)
    set_up_logging("backfill", settings.log_level)
    start_us, end_us = _moment("--from", from_, 0), _moment("--to", to, 0)
    margin_us = settings.rewind_us
    total, failed = Replayed(), []
    hosts = [host] if host else list(settings.jetstream_urls)
    for url in hosts:
        path = own_folder(settings.spill_dir) / f"backfill-{token_hex(4)}.ndjson.zst"
        try:
            with progress_bar("fetch", "seconds") as progress:
                served = record(
                    url,
                    start_us - margin_us,
                    end_us + margin_us,
                    path,
                    wire=None if settings.jetstream_wire == "auto" else settings.jetstream_wire,
                    progress=lambda at: progress((at - start_us) // 10**6, (end_us - start_us) // 10**6),
                )
            for note in served.notes:
                complain(f"bluelake: {host_name(url)} {note}")
            with progress_bar("replay", "bytes") as progress:
                place = placer(settings, served.wire)
                replayed = run(settings, recording_of(path), place, closes=True, progress=progress)
        except NotServedError as error:
            failed.append(error)
            complain(f"bluelake: {error}")
            continue
        finally:
            path.unlink(missing_ok=True)
        total.add(replayed)
        # A gap is wider than what was missed by the margin, so that a host that has all of that is enough.
        had = (start_us + margin_us, end_us - margin_us)
        if served.reaches(*had) and replayed.held(*had):
            break
    if len(failed) == len(hosts):
        raise failed[-1]
    _print(total, as_json=json)


def _moment(option: str, text: str, default: int) -> int:
    if not text:
        return default
    try:
        return parse_start(text, clock.now())
    except ValueError as error:
        raise ConfigurationError(f"{option} {error}") from None


def _print(result: "Replayed", *, as_json: bool) -> None:
    columns = ("frames", "rows", "duplicates", "withdrawn", "rejects", "gaps_closed", "seconds")
    row = (
        result.frames,
        result.rows_out,
        result.duplicates,
        result.withdrawn,
        result.rejects,
        len(result.closed),
        round(result.seconds, 2),
    )
    print_rows(columns, [row], as_json=as_json)


def register(app: App) -> None:
    """Add these commands to `app`."""
    for command in (replay, backfill):
        app.command(command)
