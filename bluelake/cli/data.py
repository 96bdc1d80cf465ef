"""Commands that work on data: drain, seal, maintain, query, views, status."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from bluelake.cli.output import complain, print_rows, progress_bar, say, write_csv
from bluelake.core import clock
from bluelake.core.settings import load_settings, require_home

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of a table.")]

Username = Annotated[str, Parameter(help="A handle or a DID.")]
Start = Annotated[str, Parameter(help="Date or RFC 3339 time, UTC, inclusive.")]
End = Annotated[str, Parameter(help="Date (that day included) or RFC 3339 time (exclusive).")]
Exact = Annotated[bool, Parameter(negative="", help="The phrase as written, in any case.")]

views_app = App(name="views", help="The cached views: list them, look at one, refresh them.")
buffer_app = App(name="buffer", help="The Redis buffer: depth, reset.")


def drain(*, json: AsJson = False) -> None:
    """Take everything that the buffer holds into the lake."""
    from bluelake.core.logs import set_up_logging
    from bluelake.lake.drain import drain as run

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


def seal(*, json: AsJson = False) -> None:
    """Rewrite the hours that have passed into one sorted file each, without duplicates and deleted records."""
    from bluelake.core.logs import set_up_logging
    from bluelake.lake.compaction import seal as run

    settings = load_settings()
    require_home(settings, create=True)
    set_up_logging("seal", settings.log_level)
    with progress_bar("seal", "hours") as progress:
        done = run(settings, clock.now(), progress)
    columns = ("table", "hour", "rows_before", "rows", "bytes_before", "bytes", "files", "seconds")
    rows = [
        (
            hour.table,
            hour.hour,
            hour.rows_before,
            hour.rows,
            hour.bytes_before,
            hour.size_bytes,
            hour.files,
            round(hour.seconds, 2),
        )
        for hour in done
    ]
    print_rows(columns, rows, as_json=json)


def maintain(*, json: AsJson = False) -> None:
    """Take deleted records out of the files, remove files that nothing uses any more, and thin out raw/."""
    from bluelake.core.logs import set_up_logging
    from bluelake.lake.compaction import maintain as run

    settings = load_settings()
    require_home(settings, create=True)
    set_up_logging("maintain", settings.log_level)
    with progress_bar("maintain", "hours") as progress:
        done = run(settings, clock.now(), progress)
    row = (
        done.hours,
        done.rows,
        done.waiting_hours,
        done.waiting_rows,
        done.vacuumed.files,
        done.vacuumed.size_bytes,
        len(done.raw_days),
    )
    columns = ("hours", "rows", "waiting_hours", "waiting_rows", "files_removed", "bytes_removed", "raw_days_removed")
    print_rows(columns, [row], as_json=json)


def sql(query: str, *, json: AsJson = False) -> None:
    """Run any SQL of DuckDB, read-only, over the lake: `posts` holds what is current, `posts_all` every row."""
    from bluelake.lake.query import run_sql as run

    settings = load_settings()
    require_home(settings, create=False)
    result = run(settings, query)
    print_rows(result.columns, result.rows, as_json=json)


def status(*, json: AsJson = False) -> None:
    """How each part is, what the buffer holds, and how old the newest data is."""
    from bluelake.lake.status import status as run

    settings = load_settings()
    require_home(settings, create=False)
    report = run(settings)
    print_rows(("part", "state", "detail"), [(part.name, part.state, part.detail) for part in report], as_json=json)


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
    from bluelake.lake.delta import Store
    from bluelake.lake.search import Searcher, search_query

    settings = load_settings()
    require_home(settings, create=False)
    query = search_query(text=text, username=username, start=start, end=end, exact=exact)
    found = Searcher(Store(settings.lake_dir), settings).search(query, page=max(page, 1))
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
    from bluelake.lake.delta import Store
    from bluelake.lake.search import EXPORT_COLUMNS, Searcher, search_query
    from bluelake.lake.search import export_posts as run

    settings = load_settings()
    require_home(settings, create=False)
    query = search_query(text=text, username=username, start=start, end=end, exact=exact)
    found = run(Searcher(Store(settings.lake_dir), settings), settings, query)
    count = write_csv(EXPORT_COLUMNS, found.rows, output)
    complain(f"{count} posts" + ("; there are more: MAX_ROWS_FLAG=false exports all" if found.capped else ""))


@views_app.command(name="list")
def list_views(*, json: AsJson = False) -> None:
    """The published views: what they hold, their rows, when they were built."""
    from bluelake.lake.views import current

    settings = load_settings()
    require_home(settings, create=False)
    published = current(settings)
    views = published.views if published is not None else ()
    rows = [(view.name, view.description, view.rows, published.published_at) for view in views if published]
    print_rows(("view", "description", "rows", "published"), rows, as_json=json)


@views_app.command(name="show")
def show_view(name: str, *, limit: int = 20, offset: int = 0, json: AsJson = False) -> None:
    """Rows of one published view."""
    from bluelake.lake.views import read

    settings = load_settings()
    require_home(settings, create=False)
    page = read(settings, name, limit, offset)
    print_rows([column.name for column in page.columns], page.rows, as_json=json)


@buffer_app.command
def depth(*, json: AsJson = False) -> None:
    """Events and compressed bytes of each queue."""
    from bluelake.buffer.client import Buffer

    queues = Buffer(load_settings().redis_url).depth()
    print_rows(
        ("queue", "events", "bytes"), [(name, q.events, q.size_bytes) for name, q in queues.items()], as_json=json
    )


@buffer_app.command
def reset(*, yes: Annotated[bool, Parameter(negative="", help="Do it.")] = False) -> None:
    """Empty the buffer. The ingester then resumes from the lake's watermark and fetches what was in it again."""
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
