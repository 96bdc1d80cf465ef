"""The command as a person or a script calls it."""

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bluelake.buffer.client import Buffer
from bluelake.cli.main import app
from bluelake.core.clock import OFFSET_VARIABLE
from bluelake.core.settings import Settings
from tests.support.buffers import feed
from tests.support.frames import NOON_US, POST, commit_frame
from tests.support.lakes import drained
from tests.support.paths import ROOT
from tests.support.processes import bluelake, bluelake_process, free_port
from tests.support.snapshots import Snapshots


@pytest.fixture
def filled(snapshots: Snapshots, buffer: Buffer, settings: Settings) -> dict[str, str]:
    """The environment of a lake with two posts and a like."""
    morning = commit_frame(POST, rkey="3kone", record={"text": "Good morning, こんにちは", "langs": ["ja"]})
    night = commit_frame(POST, rkey="3ktwo", record={"text": "[red]good[/red] night"})
    frames = [morning, night, commit_frame(rkey="3klike")]
    snapshots.start("two posts and a like", settings, partial(drained, buffer, settings, frames))
    return {"BLUELAKE_HOME": str(settings.home), "REDIS_URL": settings.redis_url}


def test_search_prints_what_it_finds(filled: dict[str, str]) -> None:
    done = bluelake("search", "good morning", "--json", **filled)
    (post,) = json.loads(done.stdout)
    assert post["text"] == "Good morning, こんにちは"
    assert post["timestamp"] == "2026-07-04T12:00:00Z"
    assert post["id"] == "at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3kone"
    table = bluelake("search", "night", **filled)
    assert "[red]good[/red]" in table.stdout
    assert "1 row" in table.stdout


def test_export_writes_csv(filled: dict[str, str], tmp_path: Path) -> None:
    done = bluelake("export", "good", "-o", str(tmp_path / "out.csv"), **filled)
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id,timestamp,created_at,did,username,text,langs,hashtags,url"
    assert len(lines) == 3
    assert done.stderr.strip() == "2 posts"


def test_sql_gives_objects(filled: dict[str, str]) -> None:
    done = bluelake("sql", "SELECT rkey, event_at, langs FROM posts ORDER BY rkey", "--json", **filled)
    assert json.loads(done.stdout) == [
        {"rkey": "3kone", "event_at": "2026-07-04T12:00:00Z", "langs": ["ja"]},
        {"rkey": "3ktwo", "event_at": "2026-07-04T12:00:00Z", "langs": []},
    ]


@pytest.mark.integration
def test_a_process_of_its_own_says_the_same(filled: dict[str, str]) -> None:
    for arguments in (["sql", "SELECT rkey FROM likes", "--json"], ["sql", "SELEC"]):
        process, here = bluelake_process(*arguments, **filled), bluelake(*arguments, **filled)
        assert (process.returncode, process.stdout, process.stderr) == (here.returncode, here.stdout, here.stderr)


def test_drain_tells_its_batches(buffer: Buffer, settings: Settings) -> None:
    environment = {"BLUELAKE_HOME": str(settings.home), "REDIS_URL": settings.redis_url}
    feed(buffer, [commit_frame(rkey="3ka"), b"junk"])
    (batch,) = json.loads(bluelake("drain", "--json", **environment).stdout)
    assert (batch["flushes"], batch["events"], batch["rows"], batch["rejects"]) == ("1-1", 2, 1, 1)
    assert json.loads(bluelake("drain", "--json", **environment).stdout) == []


def test_seal_and_maintain_tell_what_they_did(filled: dict[str, str]) -> None:
    done = json.loads(bluelake("seal", "--json", **filled).stdout)
    assert [(hour["table"], hour["hour"], hour["rows"], hour["files"]) for hour in done] == [
        ("likes", "2026-07-04T12", 1, 1),
        ("posts", "2026-07-04T12", 2, 1),
        ("replacements", "2026-07-04T12", 3, 1),
    ]
    (line,) = json.loads(bluelake("maintain", "--json", **filled).stdout)
    assert (line["hours"], line["rows"], line["waiting_rows"], line["files_removed"]) == (0, 0, 0, 0)
    parts = {part["part"]: part for part in json.loads(bluelake("status", "--json", **filled).stdout)}
    assert (parts["seal"]["state"], parts["maintain"]["state"]) == ("sealed", "done")


@pytest.mark.integration
def test_a_stepped_clock_is_that_of_every_command(filled: dict[str, str], buffer: Buffer, tmp_path: Path) -> None:
    offset = tmp_path / "clock"
    # To half past twelve on the day of the events: their hour has not passed yet.
    offset.write_text(f"{NOON_US / 1e6 + 1800 - time.time():.3f}")
    stepped = filled | {OFFSET_VARIABLE: str(offset)}
    feed(buffer, [commit_frame(rkey="3klater")])
    bluelake_process("drain", **stepped)
    last = "SELECT event_at FROM batches ORDER BY last_flush DESC LIMIT 1"
    (batch,) = json.loads(bluelake_process("sql", last, "--json", **stepped).stdout)
    assert batch["event_at"].startswith("2026-07-04T12:3")
    parts = {part["part"]: part for part in json.loads(bluelake_process("status", "--json", **stepped).stdout)}
    assert re.search(r"newest event \d+ min ago$", parts["lake"]["detail"])
    assert parts["seal"]["state"] == "sealed"
    assert json.loads(bluelake_process("seal", "--json", **stepped).stdout) == []


def test_status_tells_every_part_whatever_is_down(filled: dict[str, str]) -> None:
    parts = {part["part"]: part for part in json.loads(bluelake("status", "--json", **filled).stdout)}
    assert {name: part["state"] for name, part in parts.items()} == {
        "ingest": "unknown",
        "buffer": "up",
        "drain": "done",
        "lake": "up",
        "rejects": "ok",
        "gaps": "ok",
        "views": "none",
        "seal": "waiting",
        "maintain": "none",
    }
    away = json.loads(
        bluelake("status", "--json", **filled | {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}).stdout
    )
    assert {part["part"]: part["state"] for part in away}["buffer"] == "down"


def test_status_tells_a_broken_part_beside_the_others(filled: dict[str, str]) -> None:
    (Path(filled["BLUELAKE_HOME"]) / "watermark.json").write_text("{")
    parts = {part["part"]: part for part in json.loads(bluelake("status", "--json", **filled).stdout)}
    assert parts["lake"]["state"] == "down"
    assert "not a watermark" in parts["lake"]["detail"]
    assert parts["buffer"]["state"] == "up"


def test_the_buffer_is_emptied_only_when_it_is_meant(filled: dict[str, str], buffer: Buffer) -> None:
    feed(buffer, [commit_frame(rkey="3kb")])
    assert "--yes" in bluelake("buffer", "reset", **filled).stdout
    assert buffer.depth()["likes"].events == 1
    bluelake("buffer", "reset", "--yes", **filled)
    assert buffer.depth()["likes"].events == 0
    depth = json.loads(bluelake("buffer", "depth", "--json", **filled).stdout)
    assert {row["queue"] for row in depth} >= {"posts", "deletes", "rejects"}


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", [["up"], ["up", "--demo"], ["web"]])
def test_a_taken_port_is_one_line_and_exit_code_2(command: list[str], taken_port: int, home: Path) -> None:
    done = bluelake(*command, BLUELAKE_HOME=str(home), WEB_PORT=str(taken_port), EMBEDDED_REDIS="false")
    assert done.returncode == 2
    assert re.fullmatch(rf"bluelake: WEB_PORT.*{taken_port}.*\n", done.stderr)


def test_a_taken_redis_port_and_metrics_port(taken_port: int, home: Path) -> None:
    done = bluelake("redis", BLUELAKE_HOME=str(home), REDIS_URL=f"redis://127.0.0.1:{taken_port}/0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    done = bluelake("ingest", BLUELAKE_HOME=str(home), INGEST_METRICS_PORT=str(taken_port))
    assert done.returncode == 2
    assert f"INGEST_METRICS_PORT={taken_port}" in done.stderr


@pytest.mark.parametrize(
    "command",
    [["status"], ["sql", "SELECT 1"], ["search", "x"], ["export", "x"], ["views", "list"], ["drain"], ["ingest"]],
)
def test_a_home_that_cannot_be_is_one_line_and_exit_code_2(command: list[str], tmp_path: Path) -> None:
    for home in (tmp_path / "missing" / "below", _file(tmp_path)):
        done = bluelake(*command, BLUELAKE_HOME=str(home))
        assert done.returncode == 2, done.stderr
        assert re.fullmatch(r"bluelake: BLUELAKE_HOME=.*\n", done.stderr)


def _file(folder: Path) -> Path:
    path = folder / "file"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("command", "environment", "named"),
    [
        (["status"], {"WEB_PORT": "http"}, "WEB_PORT=http"),
        (["ingest"], {"JETSTREAM_URLS": "https://x"}, "JETSTREAM_URLS"),
        (["drain"], {"REDIS_URL": "localhost"}, "REDIS_URL=localhost"),
        (["search", "x", "--start", "2026-13-01"], {}, "start=2026-13-01"),
        (["sql", "SELEC"], {}, "syntax error"),
        (["views", "show", "nothing"], {}, "views"),
        (["up", "--dmo"], {}, "--dmo"),
        (["nonsense"], {}, "nonsense"),
    ],
)
def test_a_bad_setting_or_argument_is_named_with_exit_code_2(
    command: list[str], environment: dict[str, str], named: str, home: Path
) -> None:
    done = bluelake(*command, **{"BLUELAKE_HOME": str(home), **environment})
    assert named in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == (1 if command[0] == "views" else 2)


def test_a_redis_that_is_away_fails_a_drain_in_one_line(home: Path) -> None:
    done = bluelake("drain", BLUELAKE_HOME=str(home), REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert done.returncode == 1
    assert re.fullmatch(r"bluelake: Redis does not answer.*\n", done.stderr)


def _commands(of: Any, prefix: str = "") -> Iterator[str]:
    for name in of:
        if name.startswith("-"):
            continue
        command = of[name]
        below = [inner for inner in command if not inner.startswith("-")]
        if below:
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def test_every_command_is_in_the_docs_and_has_help() -> None:
    commands = list(_commands(app))
    assert len(commands) >= 15
    page = (ROOT / "docs" / "cli.md").read_text()
    for command in commands:
        assert f"`{command}" in page, command


@pytest.mark.parametrize("command", ["up", "ingest", "drain", "search", "export", "sql", "simulate", "views", "status"])
def test_help_says_what_a_command_does(command: str) -> None:
    done = bluelake(command, "--help", **{"COLUMNS": "100"} if os.name == "posix" else {})
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 4
