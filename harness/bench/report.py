"""What a measurement says, and the table of all of them."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("duckdb", "deltalake", "pyarrow", "websockets", "redis", "msgspec", "zstandard")


@dataclass(frozen=True)
class Figure:
    """One measured figure. `reference`: what it is held against, taken in the same run; `must`: what is asked of it."""

    what: str
    measured: str
    reference: str
    must: str
    met: bool


def markdown(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = ["| what | measured | reference, same run | must | met |", "|---|---|---|---|---|"]
    lines += [
        f"| {figure.what} | {figure.measured} | {figure.reference} | {figure.must} | {'yes' if figure.met else '**no**'} |"
        for figure in figures
    ]
    return "\n".join(lines)


def machine() -> str:
    """The machine, the libraries and the day that the figures are from, without the last full stop."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}. Libraries: {libraries}. Measured on {datetime.now(UTC):%Y-%m-%d}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
