"""The demo's timeline: each BLUELAKE_HOME has one, and every start of the simulator continues it."""

from bluelake.core.clock import now_us
from bluelake.core.files import write_durably
from bluelake.core.settings import Settings, require_home

HISTORY_DAYS = 2


def epoch_us(settings: Settings) -> int:
    """When this home's simulated history ends and live begins, microseconds since 1970. The first call sets it to now."""
    folder = require_home(settings, create=True) / "simulator"
    folder.mkdir(exist_ok=True)
    path = folder / "epoch"
    if not path.exists():
        write_durably(path, f"{now_us()}\n".encode())
    return int(path.read_text())


def history_start_us(settings: Settings) -> int:
    """When this home's simulated history begins, microseconds since 1970."""
    return epoch_us(settings) - HISTORY_DAYS * 86_400_000_000
