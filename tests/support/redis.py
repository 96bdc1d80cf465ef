"""A Redis process of a test's own."""

import subprocess
from pathlib import Path

import redis as redis_client

from bluelake.stack.redis_server import server_binary
from tests.support.processes import free_port, wait_until


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
