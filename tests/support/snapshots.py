"""What several tests start from is made once, and copied for each: a home with its lake, and the content of Redis."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis as redis_client

from bluelake.core.settings import Settings


@dataclass(frozen=True)
class Snapshot:
    """A copy of a home, and the keys of Redis as `DUMP` gives them."""

    home: Path
    keys: dict[bytes, bytes]


class Snapshots:
    """Snapshots by name, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: dict[str, Snapshot] = {}

    def start(self, name: str, settings: Settings, make: Callable[[], None]) -> None:
        """Bring the home and the Redis of `settings`, both empty, to where `make` brings them.

        `make` runs for the first test of this process that starts from `name`.
        """
        taken = self._taken.get(name)
        with redis_client.Redis.from_url(settings.redis_url) as client:
            if taken is None:
                make()
                home = self._folder / str(len(self._taken))
                shutil.copytree(settings.home, home, ignore=shutil.ignore_patterns("tmp"))
                self._taken[name] = Snapshot(home, {key: client.dump(key) for key in client.keys("*")})
                return
            shutil.copytree(taken.home, settings.home, dirs_exist_ok=True)
            for key, content in taken.keys.items():
                client.restore(key, 0, content)
