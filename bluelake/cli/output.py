"""How results reach people and programs: a table on a terminal, or JSON."""

import base64
import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table


def say(message: str) -> None:
    """Print one line to stdout."""
    print(message, flush=True)


def complain(message: str) -> None:
    """Print one line to stderr."""
    print(message, file=sys.stderr, flush=True)


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], path: Path | None) -> int:
    """Write `rows` under a header to `path`, or to stdout. A list becomes its items, joined by a space.

    Returns the number of rows. Raises OSError.
    """
    count = 0
    with nullcontext(sys.stdout) if path is None else path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_csv_cell(value) for value in row])
            count += 1
    return count


def _csv_cell(value: object) -> object:
    if isinstance(value, datetime):
        return _to_json(value)
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else value


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[object]], *, as_json: bool) -> None:
    """Print `rows` as a table, or as a JSON list of objects."""
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    table = Table(show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console = Console()
    console.print(table, markup=False)
    console.print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}", style="dim")


def print_json(value: object) -> None:
    """Print `value` as JSON; times in RFC 3339, bytes in base64."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=_to_json)
    sys.stdout.write("\n")


def _to_json(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ").replace("+00:00", "Z")
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    return str(value).replace("\x00", "\u2400")


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, where that is a terminal. Yields the function that takes (done, total)."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
