"""The watermark file: the flushes that the lake holds, and the cursors to resume from if the buffer is lost.

The drain writes it, the ingester reads it. It lies beside the lake because it must outlive Redis.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from bluelake.core.errors import CorruptStateError
from bluelake.core.files import write_durably


@dataclass(frozen=True)
class Cursor:
    """Where to resume on one host: unix microseconds, and on the v2 wire the sequence number.

    `lag_us`: how far the host's times were behind the revs there, None where that is unknown. Equality ignores it.
    """

    time_us: int
    seq: int | None = None
    lag_us: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Watermark:
    """`offered`: the number of the last flush that a drain began to commit. `committed`: the last one that the lake holds
    whole. `cursors`: by host, where to resume so that nothing after `committed` is missed. `versions`: by table, the
    version up to which its log is durable; None where that is unknown."""

    offered: int = 0
    committed: int = 0
    cursors: dict[str, Cursor] = field(default_factory=dict)
    versions: dict[str, int] | None = None


def cursors_to_json(cursors: dict[str, Cursor]) -> str:
    """Cursors as the JSON that the watermark file and a flush hold."""
    return json.dumps(
        {
            host: {"time_us": c.time_us, "seq": c.seq} | ({} if c.lag_us is None else {"lag_us": c.lag_us})
            for host, c in sorted(cursors.items())
        }
    )


def cursors_from_json(text: str | bytes) -> dict[str, Cursor]:
    """The inverse of `cursors_to_json`. Raises ValueError, KeyError or TypeError on anything else."""
    cursors = json.loads(text)
    if not isinstance(cursors, dict):
        raise TypeError("cursors are no object")
    return {host: Cursor(int(c["time_us"]), c["seq"], c.get("lag_us")) for host, c in cursors.items()}


def read_watermark(path: Path) -> Watermark:
    """The watermark at `path`; one of zeros where there is no file. Raises CorruptStateError, OSError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Watermark()
    try:
        state = json.loads(content)
        cursors = cursors_from_json(json.dumps(state["cursors"]))
        versions = state.get("versions")
        if versions is not None:
            versions = {str(table): int(version) for table, version in versions.items()}
        return Watermark(int(state["offered"]), int(state["committed"]), cursors, versions)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptStateError(
            f"{path}: not a watermark ({error}); restore it from a backup or delete it, see docs/operations.md"
        ) from error


def write_watermark(path: Path, watermark: Watermark) -> None:
    """Replace the watermark at `path` durably."""
    state: dict[str, object] = {
        "offered": watermark.offered,
        "committed": watermark.committed,
        "cursors": json.loads(cursors_to_json(watermark.cursors)),
    }
    if watermark.versions is not None:
        state["versions"] = dict(sorted(watermark.versions.items()))
    write_durably(path, json.dumps(state, indent=1).encode() + b"\n")
