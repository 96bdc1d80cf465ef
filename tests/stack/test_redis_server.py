"""Where the embedded Redis listens, and how it is started."""

import os
import socket
from pathlib import Path

import pytest

from bluelake.core.errors import ConfigurationError
from bluelake.core.settings import Settings
from bluelake.stack.redis_server import exec_server, server_address, server_binary
from tests.support.processes import free_port


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://127.0.0.1:6380/0", ("127.0.0.1", 6380)),
        ("redis://localhost/2", ("127.0.0.1", 6379)),
        ("redis://[::1]:6381", ("::1", 6381)),
        ("redis:///0", ("127.0.0.1", 6379)),
    ],
)
def test_it_listens_where_the_url_says(url: str, address: tuple[str, int]) -> None:
    assert server_address(Settings(redis_url=url)) == address


@pytest.mark.parametrize("url", ["redis://redis.example:6379/0", "rediss://127.0.0.1:6379/0"])
def test_a_url_that_it_cannot_serve_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        server_address(Settings(redis_url=url))

    assert str(caught.value).startswith(f"REDIS_URL={url}: ")


def test_the_binary_can_be_run() -> None:
    assert os.access(server_binary(), os.X_OK)


def test_it_keeps_its_data_under_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, words: started.append([str(path), *words[1:]]))
    port = free_port()

    exec_server(
        Settings(bluelake_home=home, redis_url=f"redis://127.0.0.1:{port}/0", redis_max_memory_mb=64, log_level="INFO")
    )

    (words,) = started
    given = dict(zip(words[1::2], words[2::2], strict=True))
    assert words[0] == str(server_binary())
    assert given["--dir"] == str(home / "redis")
    assert (home / "redis").is_dir()
    assert (given["--bind"], given["--port"], given["--maxmemory"]) == ("127.0.0.1", str(port), "64mb")
    assert given["--maxmemory-policy"] == "noeviction"


def test_it_does_not_start_where_something_listens(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"

        with pytest.raises(ConfigurationError, match=r"^REDIS_URL: port \d+ of 127.0.0.1 is taken"):
            exec_server(Settings(bluelake_home=home, redis_url=url))
