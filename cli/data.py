"""Commands that work on data: drain, query, views, status."""

from typing import Annotated

from cyclopts import App, Parameter

from cli.output import print_rows, progress_bar, say
from core.settings import load_settings, require_home

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of a table.")]

views_app = App(name="views", help="The cached views: refresh, list, show.")
buffer_app = App(name="buffer", help="The Redis buffer: depth, reset.")


def drain(*, json: AsJson = False) -> None:
    """Take everything that the buffer holds into the lake."""
    from core.logs import set_up_logging
    from lake.drain import drain as run

    settings = load_settings()
    require_home(settings, create=True)
    set_up_logging("drain", settings.log_level)
    with progress_bar("drain", "events") as progress:
        batches = run(settings, progress)
    columns = ("started", "flushes", "events", "rows", "duplicates", "rejects", "seconds")
    rows = [
        (
            batch.started,
            f"{batch.first_flush}-{batch.last_flush}",
            batch.events_in,
            batch.rows_out,
            batch.duplicates,
            batch.rejects,
            round(batch.duration_seconds, 2),
        )
        for batch in batches
    ]
    print_rows(columns, rows, as_json=json)


def sql(query: str, *, json: AsJson = False) -> None:
    """Run any SQL of DuckDB, read-only, over the lake: `posts` holds what is current, `posts_all` every row."""
    from lake.query import query as run

    settings = load_settings()
    require_home(settings, create=False)
    result = run(settings, query)
    print_rows(result.columns, result.rows, as_json=json)


def status(*, json: AsJson = False) -> None:
    """How each part is, what the buffer holds, and how old the newest data is."""
    from lake.status import status as run

    settings = load_settings()
    require_home(settings, create=False)
    report = run(settings)
    print_rows(("part", "state", "detail"), [(part.name, part.state, part.detail) for part in report], as_json=json)


@buffer_app.command
def depth(*, json: AsJson = False) -> None:
    """Events and compressed bytes of each queue."""
    from buffer.client import Buffer

    queues = Buffer(load_settings().redis_url).depth()
    print_rows(
        ("queue", "events", "bytes"), [(name, q.events, q.size_bytes) for name, q in queues.items()], as_json=json
    )


@buffer_app.command
def reset(*, yes: Annotated[bool, Parameter(negative="", help="Do it.")] = False) -> None:
    """Empty the buffer. The ingester then resumes from the lake's watermark and fetches what was in it again."""
    from buffer.client import Buffer

    if not yes:
        say("This empties the buffer; the ingester fetches what was in it again, as far as Jetstream reaches back")
        say("(a day or more). To do it: bluelake buffer reset --yes")
        return
    Buffer(load_settings().redis_url).reset()
    say("The buffer is empty.")


def register(app: App) -> None:
    """Add these commands to `app`."""
    for command in (drain, sql, status):
        app.command(command)
    app.command(views_app)
    app.command(buffer_app)
