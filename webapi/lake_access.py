"""The lake as the web process reads it, opened at the first request: never before gunicorn has forked."""

from functools import cache

from bluelake.core.settings import Settings, load_settings
from bluelake.lake.delta import Store
from bluelake.lake.search import Searcher
from bluelake.lake.status import Collector


class LakeAccess:
    """The lake of one `BLUELAKE_HOME`, for the threads of one process: a searcher, and a collector of facts."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # Each has a store of its own: a store serves one thread at a time, and a long search must not hold up /healthz.
        self.searcher = Searcher(Store(settings.lake_dir), settings)
        self.collector = Collector(settings, Store(settings.lake_dir))


@cache
def lake_access() -> LakeAccess:
    """The lake of this process' settings."""
    return LakeAccess(load_settings())
