"""The commands that repair the lake: replay of a recording, backfill from a host."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from bluelake.cli.output import complain, print_rows, progress_bar
from bluelake.core import clock
from bluelake.core.errors import ConfigurationError
from bluelake.core.logs import set_up_logging
from bluelake.core.settings import Settings, load_settings, parse_start, require_home

if TYPE_CHECKING:
    from repair import Replayed

_AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of a table.")]
_From = Annotated[str, Parameter(name="--from", help="Duration back (2h), RFC 3339 time or microseconds; inclusive.")]
_To = Annotated[str, Parameter(name="--to", help="The same; exclusive.")]
_Closes = Annotated[
    bool, Parameter(name="--closes", help="Whether FILE is complete for its span, so that gaps within it are closed.")
]
_Host = Annotated[str, Parameter(help="The host to ask; default: each of JETSTREAM_URLS until one has it all.")]


def replay(
    file: Path | None = None, /, *, from_: _From = "", to: _To = "", closes: _Closes = True, json: _AsJson = False
) -> None:
    """Take a recording of frames (NDJSON or .zst) into the lake, or, without FILE, the drained chunks under raw/ again.

    The replay drops what the lake has already, so you can repeat it. A FILE closes the gaps within the events that it
    holds, or between --from and --to where you give both. Use `--no-closes` for a FILE that is not complete.
    """
    from repair import replay_file, replay_raw

    settings = _prepare("replay")
    if file is None and not (from_ or to):
        raise ConfigurationError("replay: name a FILE, or --from and --to for the drained chunks under raw/")
    start_us, end_us = _moment("--from", from_), _moment("--to", to)
    with progress_bar("replay", "bytes") as progress:
        if file is None:
            result = replay_raw(settings, start_us=start_us, end_us=end_us, progress=progress)
        else:
            result = replay_file(settings, file, start_us=start_us, end_us=end_us, closes=closes, progress=progress)
    _print(result, as_json=json)


def backfill(*, from_: _From, to: _To = "now", host: _Host = "", json: _AsJson = False) -> None:
    """Fetch a span of time from a Jetstream host again, as far as it reaches back, and replay it into the lake.

    It speaks the wire of JETSTREAM_WIRE, as the ingester does. It closes gaps as far as the host really served them.
    """
    from repair import backfill_span

    settings = _prepare("backfill")
    result = backfill_span(
        settings,
        _moment("--from", from_) or 0,
        _moment("--to", to) or 0,
        hosts=[host] if host else (),
        display=progress_bar,
        note=lambda line: complain(f"bluelake: {line}"),
    )
    _print(result, as_json=json)


def _prepare(task: str) -> Settings:
    settings = load_settings()
    require_home(settings, create=False)
    set_up_logging(task, settings.log_level)
    return settings


def _moment(option: str, text: str) -> int | None:
    """Microseconds since 1970 of `text`; None where it is empty. Raises ConfigurationError."""
    if not text:
        return None
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
