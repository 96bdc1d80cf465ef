"""The published cached views: immutable DuckDB files, and a pointer to the current one.

`views/published/views-<version>.duckdb` are the versions, `views/published/current.json` is the pointer. A DuckDB file has
one writer or many readers. So a build is finished elsewhere, renamed to its version, and then named by the pointer. Nobody
writes a published file. A reader that opened a version finishes on it, even after that version is removed.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from bluelake.core import clock
from bluelake.core.crash import crash_point
from bluelake.core.errors import CorruptStateError
from bluelake.core.files import fsync_path, write_durably
from bluelake.core.settings import Settings
from bluelake.lake.errors import LakeError, NoViewsError

KEPT_VERSIONS = 3
GRACE = timedelta(minutes=15)
_VERSION_TIME = "%Y%m%dT%H%M%S%fZ"
_OPEN_ATTEMPTS = 5
_CSV_ROWS = 10_000


class UnknownViewError(LakeError):
    """No published view has that name."""

    exit_code = 2


class PublishError(LakeError):
    """A build cannot be published. The version before it stays current."""


class CorruptViewsError(LakeError, CorruptStateError):
    """The pointer, or the file that it names, cannot be read."""


@dataclass(frozen=True)
class ColumnInfo:
    """One column of a view. `type`: its DuckDB type."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class ViewInfo:
    """One view: a table of the same name in schema `main` of the published file, and how many rows it has.

    `stale_since`: where the refreshes since could not compute the view, when its rows were published first, UTC.
    """

    name: str
    description: str
    rows: int
    columns: tuple[ColumnInfo, ...]
    stale_since: datetime | None = None


@dataclass(frozen=True)
class Published:
    """One published version. `version` sorts by time; `published_at` is UTC."""

    version: str
    file: Path
    published_at: datetime
    views: tuple[ViewInfo, ...]

    def view(self, name: str) -> ViewInfo:
        """The view `name`. Raises UnknownViewError."""
        for view in self.views:
            if view.name == name:
                return view
        known = ", ".join(view.name for view in self.views) or "none"
        raise UnknownViewError(f"view {name!r}: no such view; there are: {known}")


@dataclass(frozen=True)
class ViewPage:
    """Some rows of a view, as tuples in the order of `columns`; `total` is how many rows the view has in all."""

    published: Published
    view: ViewInfo
    columns: tuple[ColumnInfo, ...]
    rows: list[tuple[object, ...]]
    total: int


def published_dir(settings: Settings) -> Path:
    """The folder of the versions and the pointer."""
    return settings.views_dir / "published"


def publish(
    settings: Settings, build_file: Path, views: Sequence[ViewInfo], *, now: datetime | None = None
) -> Published:
    """Make the finished DuckDB file `build_file` the current version; the file is moved.

    `build_file` must lie on the file system of `views_dir`, be closed and checkpointed, and hold every view in schema
    `main`. `now`: the time of publication, UTC. Removes versions past the newest three that are older than 15 minutes.
    Raises PublishError, OSError; then the version before it stays current.
    """
    moment = now or clock.now()
    _check_build(build_file, views)
    folder = published_dir(settings)
    folder.mkdir(parents=True, exist_ok=True)
    version = f"{moment.strftime(_VERSION_TIME)}-{secrets.token_hex(3)}"
    file = folder / f"views-{version}.duckdb"
    fsync_path(build_file)
    crash_point("before-publish-rename")
    build_file.rename(file)
    fsync_path(folder)
    crash_point("after-publish-rename")
    published = Published(version, file, moment, tuple(views))
    write_durably(folder / "current.json", _to_json(published))
    crash_point("after-publish-pointer")
    _remove_old(folder, moment)
    return published


def current(settings: Settings) -> Published | None:
    """The current version; None where none has been published. Raises CorruptViewsError, OSError."""
    pointer = published_dir(settings) / "current.json"
    try:
        content = pointer.read_bytes()
    except FileNotFoundError:
        return None
    try:
        state = json.loads(content)
        views = tuple(
            ViewInfo(
                view["name"],
                view["description"],
                int(view["rows"]),
                tuple(ColumnInfo(column["name"], column["type"], column["description"]) for column in view["columns"]),
                datetime.fromisoformat(view["stale_since"]) if view.get("stale_since") else None,
            )
            for view in state["views"]
        )
        published_at = datetime.fromisoformat(state["published_at"])
        return Published(state["version"], pointer.parent / state["file"], published_at, views)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptViewsError(
            f"{pointer}: not what a publication writes ({error}); run `bluelake views refresh`"
        ) from error


def read(settings: Settings, name: str, limit: int, offset: int = 0) -> ViewPage:
    """Rows `offset` to `offset + limit` of the view `name`, in the order in which it was built.

    Raises NoViewsError, UnknownViewError, CorruptViewsError.
    """
    with _open(settings) as (published, connection):
        view = published.view(name)
        relation = connection.table(f"main.{_identifier(name)}")
        columns = _columns(view, relation)
        total = connection.execute(f"SELECT count(*) FROM main.{_identifier(name)}").fetchall()[0][0]
        rows = relation.limit(limit, min(offset, total)).fetchall()
        return ViewPage(published, view, columns, rows, int(total))


def iterate(settings: Settings, name: str) -> tuple[tuple[ColumnInfo, ...], Iterator[tuple[object, ...]]]:
    """The columns of the view `name`, and an iterator over all its rows, with few of them in memory.

    The iterator stays on the version that it opened. Raises as `read` does, before any row is read.
    """
    opened = _open(settings)
    published, connection = opened.__enter__()
    try:
        view = published.view(name)
        relation = connection.table(f"main.{_identifier(name)}")
        columns = _columns(view, relation)
    except BaseException:
        opened.__exit__(None, None, None)
        raise

    def rows() -> Iterator[tuple[object, ...]]:
        try:
            while batch := relation.fetchmany(_CSV_ROWS):
                yield from batch
        finally:
            opened.__exit__(None, None, None)

    return columns, rows()


@contextmanager
def _open(settings: Settings) -> Iterator[tuple[Published, duckdb.DuckDBPyConnection]]:
    """The current version, opened read-only. If it is removed before it is opened, the next one is taken."""
    for attempt in range(_OPEN_ATTEMPTS):
        published = current(settings)
        if published is None:
            raise NoViewsError("no views have been published yet; run `bluelake views refresh`")
        try:
            connection = connect_read_only(published.file)
        except duckdb.Error as error:
            if published.file.exists() or attempt + 1 == _OPEN_ATTEMPTS:
                raise CorruptViewsError(
                    f"{published.file}: cannot be opened ({error}); run `bluelake views refresh`"
                ) from error
            continue
        try:
            yield published, connection
        finally:
            connection.close()
        return


def connect_read_only(file: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a DuckDB file, in UTC, without access to any other file. Raises duckdb.Error."""
    connection = duckdb.connect(
        str(file),
        read_only=True,
        # No spill: readers of one file would share its spill folder, and overwrite each other's files.
        config={"threads": 1, "enable_external_access": False, "memory_limit": "256MB", "temp_directory": ""},
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _check_build(build_file: Path, views: Sequence[ViewInfo]) -> None:
    if not build_file.is_file():
        raise PublishError(f"{build_file}: no such file to publish")
    if build_file.with_name(f"{build_file.name}.wal").exists():
        raise PublishError(f"{build_file}: has a write-ahead log; close its writer before it is published")
    try:
        with duckdb.connect(str(build_file), read_only=True) as connection:
            found = {
                row[0]
                for row in connection.execute(
                    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'"
                ).fetchall()
            }
    except duckdb.Error as error:
        raise PublishError(
            f"{build_file}: cannot be opened ({error}); close its writer before it is published"
        ) from error
    missing = sorted(view.name for view in views if view.name not in found)
    if missing:
        raise PublishError(f"{build_file}: lacks {', '.join(missing)} in schema main")


def _remove_old(folder: Path, now: datetime) -> None:
    """Remove versions that no reader opens any more. The current one is among the kept, whatever its clock."""
    for file in sorted(folder.glob("views-*.duckdb"))[:-KEPT_VERSIONS]:
        if _age(file, now) > GRACE:
            file.unlink(missing_ok=True)


def _age(file: Path, now: datetime) -> timedelta:
    stamp = file.stem.removeprefix("views-").split("-")[0]
    try:
        return now - datetime.strptime(stamp, _VERSION_TIME).replace(tzinfo=UTC)
    except ValueError:
        return clock.file_now() - datetime.fromtimestamp(file.stat().st_mtime, UTC)


def _to_json(published: Published) -> bytes:
    state = {
        "version": published.version,
        "file": published.file.name,
        "published_at": published.published_at.isoformat(),
        "views": [asdict(view) for view in published.views],
    }
    return json.dumps(state, indent=1, ensure_ascii=False, default=_json_time).encode() + b"\n"


def _json_time(moment: datetime) -> str:
    return moment.isoformat()


def _columns(view: ViewInfo, relation: duckdb.DuckDBPyRelation) -> tuple[ColumnInfo, ...]:
    """The columns of the table in its order, with their published descriptions."""
    descriptions = {column.name: column.description for column in view.columns}
    return tuple(
        ColumnInfo(name, str(column_type), descriptions.get(name, ""))
        for name, column_type in zip(relation.columns, relation.types, strict=True)
    )


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
