"""Which table versions are known to be on the disk: what the watermark and the lists of sealed hours say."""

from collections.abc import Callable

from core.settings import Settings
from core.watermark import read_watermark
from lake.log import entries, version_of
from lake.sealed import read_sealed


def confirmed_versions(settings: Settings) -> Callable[[str], int | None]:
    """For a table's name, the version up to which it is on the disk; None where nothing tells.

    Reads the watermark now, so that what is confirmed later is not taken for it. Raises CorruptStateError.
    """
    versions = read_watermark(settings.watermark_path).versions

    def confirmed(name: str) -> int | None:
        if versions is None:
            return None
        folder = settings.lake_dir / name
        sealed = read_sealed(folder).version
        newest = max(map(version_of, entries(folder)), default=-1)
        # A list of sealed hours that is newer than the log was restored with it: it confirms nothing.
        return max(versions.get(name, -1), sealed if sealed <= newest else -1)

    return confirmed
