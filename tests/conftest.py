"""Fixtures of all tests: a BLUELAKE_HOME, a real Redis, and the real data."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.scratch import leave
from bluelake.core.settings import Settings
from tests.support.cases import case_name
from tests.support.paths import REAL_FRAMES
from tests.support.redis import RedisServer
from tests.support.snapshots import Snapshots

MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 2 * 1024**3

# The tests' folders lie in memory where there is room. On a disk they wait for fsync half of the time, and prove no more by
# it: that files are brought to the disk is proven by the calls, what a power loss leaves by damaged files.
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_make_parametrize_id(val: object) -> str | None:
    """Cases are named after their values, where pytest would only number them (`command4`)."""
    return case_name(val)


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


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The one Redis of a worker. Tests take `redis_server`, which is this one as new."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """A running Redis without data and clients, in its first configuration. A test may stop it."""
    shared_redis.reset()
    return shared_redis


@pytest.fixture(scope="session")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Snapshots:
    """Homes that several tests start from."""
    return Snapshots(tmp_path_factory.mktemp("snapshots"))


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that has just started. For tests of what one process of it does, such as the memory that it takes."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def buffer(redis_server: RedisServer) -> Iterator[Buffer]:
    """The buffer on `redis_server`."""
    client = Buffer(redis_server.url)
    yield client
    client.close()


@pytest.fixture
def settings(home: Path, redis_server: RedisServer) -> Settings:
    """Settings for `home` and `redis_server`."""
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
