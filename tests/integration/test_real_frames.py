"""The real frames the whole way: simulator, ingester, Redis, a drain run by Airflow's scheduler, the API by gunicorn."""

import csv
import io
import json
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bluelake.lake.query import run_sql
from tests.support.expected import TABLES, base, record_row
from tests.support.frames import commit_frame
from tests.support.lakes import rows
from tests.support.paths import ROOT
from tests.support.processes import clean_environment, free_port, wait_until
from tests.support.stack import RunningStack, running_stack

pytestmark = pytest.mark.integration
# The sample holds no post in Czech, so that a made-up one goes the same way.
CZECH = commit_frame(
    "app.bsky.feed.post",
    rkey="3mptczechpost",
    time_us=1_783_175_888_300_000,
    record={"text": "Příliš žluťoučký kůň úpěl ďábelské ódy", "langs": ["cs"]},
)
# Counted by hand with grep and wc, and the made-up one. The simulator, as a real host, keeps back the one event of a collection
# nobody asked for.
COUNTS = {"likes": 69, "posts": 11, "reposts": 11, "follows": 5, "blocks": 1, "deletes": 3, "rejects": 0}


@pytest.fixture
def served(real_frames: list[bytes]) -> list[bytes]:
    """What the simulator serves: the sample, and a post in Czech."""
    return [*real_frames, CZECH]


@pytest.fixture
def simulator(tmp_path: Path, served: list[bytes]) -> Iterator[str]:
    """A simulator that serves those frames. Yields its URL."""
    file = tmp_path / "frames.jsonl"
    file.write_bytes(b"".join(frame + b"\n" for frame in served))
    port = free_port()
    command = [sys.executable, "-m", "harness.simulator", "--file", str(file), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stdout=subprocess.DEVNULL)
    yield f"ws://127.0.0.1:{port}/subscribe"
    process.terminate()
    process.wait(30)


def test_from_the_file_to_a_search_result(simulator: str, home: Path, served: list[bytes]) -> None:
    settings = {"JETSTREAM_URLS": simulator, "JETSTREAM_START": "2026-07-04T14:38:00Z", "DRAIN_SCHEDULE": "* * * * *"}
    with running_stack(home, demo=False, **settings) as stack:
        wait_until(lambda: _counts(stack) == COUNTS, 240, "the real frames in the lake")
        _every_record_once(stack, served)
        _batches_came_from_airflow(stack)
        _searches(stack, served)
        _admin_password_is_told(stack)
        assert stack.stop() == 0
        wait_until(lambda: not stack.processes(), 30, "no process left behind")


def _counts(stack: RunningStack) -> dict[str, int]:
    counted = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}_all" for name in COUNTS)
    return {str(name): int(str(count)) for name, count in run_sql(stack.settings, counted).rows}


def _every_record_once(stack: RunningStack, real_frames: list[bytes]) -> None:
    frames = [json.loads(frame) for frame in real_frames]
    for collection, table in TABLES.items():
        expected = [
            record_row(frame)
            for frame in frames
            if frame["commit"]["collection"] == collection and frame["commit"]["operation"] == "create"
        ]
        names = ", ".join(f'"{name}"' for name in expected[0])
        stored = rows(stack.settings, f"SELECT {names} FROM {table}_all")
        assert sorted(stored, key=_key) == sorted(expected, key=_key)
    deletes = [
        base(frame) | {"collection": frame["commit"]["collection"]}
        for frame in frames
        if frame["commit"]["operation"] == "delete"
    ]
    stored = rows(stack.settings, "SELECT did, rkey, rev, event_at, collection FROM deletes_all")
    assert sorted(stored, key=_key) == sorted(deletes, key=_key)


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["did"], row["rkey"]


def _batches_came_from_airflow(stack: RunningStack) -> None:
    drains = list((stack.home / "airflow" / "logs" / "dag_id=drain_buffer").rglob("task_id=drain/*.log"))
    assert any("100 rows" in log.read_text() for log in drains)


def _searches(stack: RunningStack, real_frames: list[bytes]) -> None:
    posts = [json.loads(frame) for frame in real_frames if b'"app.bsky.feed.post","rkey"' in frame]
    texts = {frame["commit"]["record"]["text"] for frame in posts}
    for word in ("ジャードゥーガル", "DEBUNKED", "이쁘시네용", "ŽLUŤOUČKÝ"):
        expected = {text for text in texts if word.casefold() in text.casefold()}
        assert expected
        answer = stack.get_json(f"/search?text={urllib.parse.quote(word)}")
        assert {result["text"] for result in answer["results"]} == expected
        assert answer["meta"]["count"] == answer["meta"]["total"] == len(expected)
        exported = stack.get(f"/export?text={urllib.parse.quote(word)}").decode()
        assert {row["text"] for row in csv.DictReader(io.StringIO(exported, newline=""))} == expected


def _admin_password_is_told(stack: RunningStack) -> None:
    password = stack.home / "secrets" / "admin-password"
    assert str(password) in stack.output
    assert len(password.read_text().strip()) >= 12
