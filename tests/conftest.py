"""Fixtures of all tests: a BLUELAKE_HOME, a real Redis, and the real data."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.scratch import leave
from bluelake.core.settings import Settings
from tests.support.paths import REAL_FRAMES
from tests.support.redis import RedisServer


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutines run on asyncio."""
    return "asyncio"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """An empty BLUELAKE_HOME."""
    folder = tmp_path / "home"
    folder.mkdir()
    yield folder
    # Else the process of all tests keeps a lock open for each.
    leave(folder / "tmp")


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
