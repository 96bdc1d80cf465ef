"""What tests share: a BLUELAKE_HOME, a real Redis, frames, and the way to the real data."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client

from bluelake.buffer.client import Buffer
from bluelake.core.scratch import leave
from bluelake.core.settings import Settings
from bluelake.stack.redis_server import server_binary

ROOT = Path(__file__).resolve().parent.parent
REAL_FRAMES = ROOT.parent / "shared" / "data" / "jetstream_v1_frames.jsonl"
TID_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
NOON_US = 1_783_166_400_000_000  # 2026-07-04T12:00:00Z


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], seconds: float = 30.0, what: str = "condition") -> None:
    """Poll until `condition` holds; fail the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    pytest.fail(f"{what}: not within {seconds} s")


def tid(number: int) -> str:
    """`number` as a TID."""
    return "".join(TID_ALPHABET[(number >> shift) & 31] for shift in range(60, -1, -5))


def commit_frame(
    collection: str = "app.bsky.feed.like",
    *,
    did: str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa",
    rkey: str = "3mptbyplj5d2a",
    rev: int = 1000,
    time_us: int = NOON_US,
    operation: str = "create",
    record: dict[str, Any] | None = None,
) -> bytes:
    """A v1 commit frame; the record defaults to one that fits the collection."""
    records: dict[str, dict[str, Any]] = {
        "app.bsky.feed.like": {"subject": {"uri": "at://did:plc:bbbb/app.bsky.feed.post/3kaaa", "cid": "bafy"}},
        "app.bsky.feed.repost": {"subject": {"uri": "at://did:plc:bbbb/app.bsky.feed.post/3kaaa", "cid": "bafy"}},
        "app.bsky.graph.follow": {"subject": "did:plc:bbbb"},
        "app.bsky.graph.block": {"subject": "did:plc:bbbb"},
        "app.bsky.feed.post": {"text": "hello", "langs": ["en"]},
        "app.bsky.actor.profile": {"displayName": "Ann"},
    }
    commit: dict[str, Any] = {"rev": tid(rev), "operation": operation, "collection": collection, "rkey": rkey}
    if operation != "delete":
        commit["record"] = {
            "$type": collection,
            "createdAt": "2026-07-04T11:59:59.500Z",
            **(records.get(collection, {}) if record is None else record),
        }
        commit["cid"] = "bafyreiexample"
    frame = {"did": did, "time_us": time_us, "kind": "commit", "commit": commit}
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """An empty BLUELAKE_HOME."""
    folder = tmp_path / "home"
    folder.mkdir()
    yield folder
    # Else the process of all tests keeps a lock open for each.
    leave(folder / "tmp")


class RedisServer:
    """A Redis process of a test's own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(server_binary()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--dir", str(self._folder), *self._arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis_client.Redis(port=self.port)

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis_client.exceptions.RedisError:
                return False

        wait_until(answers, what="Redis answers")
        client.close()

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running, empty Redis."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def buffer(redis_server: RedisServer) -> Iterator[Buffer]:
    """The buffer on a Redis of the test's own."""
    client = Buffer(redis_server.url)
    yield client
    client.close()


@pytest.fixture
def settings(home: Path, redis_server: RedisServer) -> Settings:
    """Settings for `home` and the test's own Redis."""
    return Settings(
        bluelake_home=home,
        redis_url=redis_server.url,
        duckdb_threads=2,
        duckdb_memory_mb=512,
        ingest_metrics_port=0,
    )


@pytest.fixture
def lake_settings(home: Path) -> Settings:
    """Settings for `home`, for what needs no Redis."""
    return Settings(bluelake_home=home, duckdb_threads=2, duckdb_memory_mb=512)


@pytest.fixture
def real_frames() -> list[bytes]:
    """100 frames of the production network, as they came."""
    if not REAL_FRAMES.exists():
        pytest.skip(f"the sample of real frames is not at {REAL_FRAMES}")
    return REAL_FRAMES.read_bytes().splitlines()


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without any Bluelake setting, plus `extra`."""
    names = {name.upper() for name in Settings.model_fields}
    return {**{name: value for name, value in os.environ.items() if name not in names}, **extra}
