"""Commands that work on data: drain, seal, maintain, query, views, status."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from bluelake.cli.output import complain, print_rows, say, write_csv
from bluelake.cli.setup import load_for_reading, task
from bluelake.core import clock
from bluelake.core.settings import load_settings

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of a table.")]

Username = Annotated[str, Parameter(help="A handle or a DID.")]
Start = Annotated[str, Parameter(help="Date or RFC 3339 time, UTC, inclusive.")]
End = Annotated[str, Parameter(help="Date (that day included) or RFC 3339 time (exclusive).")]
Exact = Annotated[bool, Parameter(negative="", help="The phrase as written, in any case.")]

views_app = App(name="views", help="The cached views: list them, look at one, refresh them.")
buffer_app = App(name="buffer", help="The Redis buffer: depth, reset.")


def drain(*, json: AsJson = False) -> None:
    """Take everything that the buffer holds into the lake."""
    from bluelake.lake.drain import drain as run

    with task("drain", "events") as (settings, progress):
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


def seal(*, json: AsJson = False) -> None:
    """Rewrite the hours that have passed into one sorted file each, without duplicates and deleted records."""
    from bluelake.lake.compaction import seal as run

    with task("seal", "hours") as (settings, progress):
        sealed = run(settings, clock.now(), progress)
    columns = ("table", "hour", "rows_before", "rows", "bytes_before", "bytes", "files", "seconds")
    rows = [
        (
            hour.table,
            hour.hour.label,
            hour.rows_before,
            hour.rows,
            hour.bytes_before,
            hour.size_bytes,
            hour.files,
            round(hour.seconds, 2),
        )
        for hour in sealed
    ]
    print_rows(columns, rows, as_json=json)


def maintain(*, json: AsJson = False) -> None:
    """Take deleted records out of the files, remove files that nothing uses any more, and thin out raw/."""
    from bluelake.lake.compaction import maintain as run

    with task("maintain", "hours") as (settings, progress):
        done = run(settings, clock.now(), progress)
    columns = ("hours", "rows", "waiting_hours", "waiting_rows", "files_removed", "bytes_removed", "raw_days_removed")
    row = (
        done.hours,
        done.rows,
        done.waiting_hours,
        done.waiting_rows,
        done.vacuumed.files,
        done.vacuumed.size_bytes,
        len(done.raw_days),
    )
    print_rows(columns, [row], as_json=json)


def sql(query: str, *, json: AsJson = False) -> None:
    """Run any SQL of DuckDB, read-only, over the lake: `posts` holds what is current, `posts_all` every row."""
    from bluelake.lake.query import run_sql as run

    result = run(load_for_reading(), query)
    print_rows(result.columns, result.rows, as_json=json)


def status(*, json: AsJson = False) -> None:
    """The state of each part, the content of the buffer, and the age of the newest data."""
    from bluelake.lake.status import status as run

    parts = run(load_for_reading())
    print_rows(("part", "state", "detail"), [(part.name, part.state, part.detail) for part in parts], as_json=json)


def search(
    text: str = "",
    /,
    *,
    username: Username = "",
    start: Start = "",
    end: End = "",
    exact: Exact = False,
    page: Annotated[int, Parameter(help="Which page of 50, from 1.")] = 1,
    json: AsJson = False,
) -> None:
    """Search the posts: every word must occur; `#tag` is a hashtag; newest first."""
    from bluelake.lake.search import search as run

    found = run(load_for_reading(), text, username=username, start=start, end=end, exact=exact, page=page)
    rows = [(post.event_at, post.username, post.text, post.uri) for post in found.posts]
    print_rows(("timestamp", "username", "text", "id"), rows, as_json=json)
    if not json and found.notice:
        say(found.notice)


def export(
    text: str = "",
    /,
    *,
    username: Username = "",
    start: Start = "",
    end: End = "",
    exact: Exact = False,
    output: Annotated[
        Path | None, Parameter(name=("--output", "-o"), help="File to write; default: the terminal.")
    ] = None,
) -> None:
    """Write what a search finds as CSV: the first 1,000 posts, or all of them with MAX_ROWS_FLAG=false."""
    from bluelake.lake.search import EXPORT_COLUMNS
    from bluelake.lake.search import export as run

    found = run(load_for_reading(), text, username=username, start=start, end=end, exact=exact)
    count = write_csv(EXPORT_COLUMNS, found.rows, output)
    complain(f"{count} posts" + ("; there are more: MAX_ROWS_FLAG=false exports all" if found.capped else ""))


@views_app.command(name="list")
def list_views(*, json: AsJson = False) -> None:
    """The published views: their description, their rows, and when they were published."""
    from bluelake.lake.views import current

    published = current(load_for_reading())
    rows = (
        [(view.name, view.description, view.rows, published.published_at) for view in published.views]
        if published
        else []
    )
    print_rows(("view", "description", "rows", "published"), rows, as_json=json)


@views_app.command(name="show")
def show_view(name: str, *, limit: int = 20, offset: int = 0, json: AsJson = False) -> None:
    """Rows of one published view."""
    from bluelake.lake.views import read

    page = read(load_for_reading(), name, limit, offset)
    print_rows([column.name for column in page.columns], page.rows, as_json=json)


@buffer_app.command
def depth(*, json: AsJson = False) -> None:
    """Events and compressed bytes of each queue."""
    from bluelake.buffer.client import Buffer

    queues = Buffer(load_settings().redis_url).depth()
    rows = [(name, queue.events, queue.size_bytes) for name, queue in queues.items()]
    print_rows(("queue", "events", "bytes"), rows, as_json=json)


@buffer_app.command
def reset(*, yes: Annotated[bool, Parameter(negative="", help="Do it.")] = False) -> None:
    """Empty the buffer. The ingester then resumes from the lake's watermark and fetches the lost events again."""
    from bluelake.buffer.client import Buffer

    if not yes:
        say("This empties the buffer; the ingester fetches what was in it again, as far as Jetstream reaches back")
        say("(a day or more). To do it: bluelake buffer reset --yes")
        return
    Buffer(load_settings().redis_url).reset()
    say("The buffer is empty.")


def register(app: App) -> None:
    """Add these commands to `app`."""
    for command in (drain, seal, maintain, search, export, sql, status):
        app.command(command)
    app.command(views_app)
    app.command(buffer_app)
