"""`make demo`'s stack for two minutes, its ingester killed once: the lake is what the simulator's ledger says."""

import json
import os
import signal
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bluelake.lake.query import run_sql
from tests.support.processes import wait_until
from tests.support.stack import RunningStack, running_stack, wait_seconds

pytestmark = pytest.mark.integration
TABLES = ("posts", "likes", "reposts", "follows", "blocks", "profiles", "accounts", "deletes")
RUN_SECONDS = 120
NAMES_ELSEWHERE = {"rev_int": "rev"}
ONLY_IN_THE_LEDGER = {"source", "table", "time_us", "rev", "collection", "operation", "kind"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_two_minutes_of_the_demo_equal_the_ledger(home: Path) -> None:
    # The ledger knows what was deleted too: seals must not take it out of the files.
    with running_stack(home, demo=True, BLUELAKE_DELETIONS="keep") as stack:
        wait_seconds(RUN_SECONDS / 2)
        _kill_the_ingester(stack)
        wait_seconds(RUN_SECONDS / 2)
        until_us = _last_time_us(home / "simulator" / "ledger.jsonl")
        wait_until(lambda: _newest_us(stack) > until_us + 2_000_000, 240, "the lake has caught up")
        _compare(stack, until_us)
        assert run_sql(stack.settings, "FROM gaps").rows == []
        _czech_is_found(stack, until_us)
        wait_until(lambda: _views_with_rows(stack), 240, "views with rows")
        assert stack.get_json("/healthz")["parts"]["lake"]["ok"] is True
        assert stack.stop() == 0
        wait_until(lambda: not stack.processes(), 30, "no process left behind")


def _kill_the_ingester(stack: RunningStack) -> None:
    first = int(stack.control("pid", "ingest"))
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: int(stack.control("pid", "ingest") or 0) not in (0, first), 60, "the ingester runs again")


def _ledger(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield json.loads(line)


def _last_time_us(path: Path) -> int:
    return max(int(event["time_us"]) for event in _ledger(path))


def _newest_us(stack: RunningStack) -> int:
    row = run_sql(stack.settings, "SELECT coalesce(max(epoch_us(newest_event_at)), 0) FROM batches").rows[0]
    return int(str(row[0]))


def _compare(stack: RunningStack, until_us: int) -> None:
    """Row by row, every column that the ledger knows."""
    ledger: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
    for event in _ledger(stack.home / "simulator" / "ledger.jsonl"):
        if event["time_us"] <= until_us:
            ledger[event["table"]].append(event)
    assert sum(map(len, ledger.values())) > 800_000
    for table in TABLES:
        names = [name for name in _columns(ledger[table][0]) if name != "event_at"]
        selected = ", ".join(f'"{name}"' for name in names)
        statement = f"SELECT epoch_us(event_at), {selected} FROM {table}_all WHERE epoch_us(event_at) <= {until_us}"
        stored = sorted(_comparable(row) for row in run_sql(stack.settings, statement).rows)
        expected = sorted(_comparable(_row(event, names)) for event in ledger[table])
        assert len(stored) == len(expected), table
        for found, truth in zip(stored, expected, strict=True):
            assert found == truth, table


def _columns(event: dict[str, Any]) -> list[str]:
    """The table's columns that the ledger's line has."""
    kept = {"deletes": {"collection"}, "accounts": {"kind"}}.get(event["table"], {"operation"})
    return ["event_at"] + [
        NAMES_ELSEWHERE.get(name, name) for name in event if name not in ONLY_IN_THE_LEDGER - kept or name == "rev_int"
    ]


def _row(event: dict[str, Any], names: list[str]) -> tuple[Any, ...]:
    values: list[Any] = [event["time_us"]]
    for name in names:
        if name == "rev":
            values.append(event["rev_int"])
        elif name == "created_at":
            values.append(_moment(event.get("created_at")))
        else:
            values.append(event.get(name))
    return tuple(values)


def _moment(claimed: str | None) -> datetime | None:
    """What a claimed time means; None where it is none."""
    if not claimed:
        return None
    try:
        moment = datetime.fromisoformat(claimed)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _comparable(row: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(
        repr((value - EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value) for value in row
    )


def _czech_is_found(stack: RunningStack, until_us: int) -> None:
    """A word of Czech that the ledger has in some post, with letters that only folding makes equal in any case."""
    posts = [
        event
        for event in _ledger(stack.home / "simulator" / "ledger.jsonl")
        if event["table"] == "posts" and event["langs"] == ["cs"] and event["time_us"] <= until_us
    ]
    word = next(
        word
        for event in reversed(posts)
        for word in event["text"].split()
        if word.isalpha() and set(word) & set("ěščřžů")
    )
    answer = stack.get_json(f"/search?text={urllib.parse.quote(word.upper())}")
    # A search looks at alternative texts and links too, which a result does not show.
    assert any(word.casefold() in result["text"].casefold() for result in answer["results"])


def _views_with_rows(stack: RunningStack) -> bool:
    published = stack.get_json("/views/")
    return "posts_by_hour" in json.dumps(published) and stack.get_json("/views/posts_by_hour")["meta"]["total"] > 24
