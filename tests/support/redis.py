"""A Redis process for tests."""

import subprocess
from pathlib import Path

import redis as redis_client

from bluelake.stack.redis_server import server_binary
from tests.support.processes import free_port, wait_until


class RedisServer:
    """A Redis process for tests."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None
        self._configuration: dict[str | None, str | None] = {}

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(server_binary()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--dir", str(self._folder), *self._arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis_client.Redis(port=self.port, decode_responses=True)

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis_client.exceptions.RedisError:
                return False

        wait_until(answers, what="Redis answers")
        self._configuration = client.config_get("*")
        client.close()

    def reset(self) -> None:
        """Make it as it was when it started: no clients, no data, no scripts, its first configuration.

        It is started again where a test has stopped it.
        """
        if self.process is None or self.process.poll() is not None:
            self.start()
        with redis_client.Redis(port=self.port, decode_responses=True) as client:
            client.execute_command("CLIENT", "UNPAUSE")
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")
            client.flushall(asynchronous=False)
            client.script_flush("SYNC")
            client.function_flush("SYNC")
            now = client.config_get("*")
            for name in self._configuration.keys() & now.keys():
                first = self._configuration[name]
                if name is not None and first is not None and now[name] != first:
                    client.config_set(name, first)
            client.config_resetstat()

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
