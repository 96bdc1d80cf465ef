"""The truth ledger: an append-only file with a JSON line for every event that was ever made available.

A line is written before its event can be served, and reaches the operating system at once, so that it survives the process
however that ends. A run with the same options continues a ledger: it makes the same lines again, checks them against those
that are there, and appends from there on.
"""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.simulator.errors import LedgerError, LedgerMismatchError

_SCAN_BYTES = 1 << 16


class Ledger:
    """An open ledger. Raises LedgerError where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise LedgerError(f"ledger {path}: {error.strerror}; choose another path") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise LedgerError(
                f"ledger {path}: another simulator writes it; stop that one or choose another path"
            ) from error
        self._cut_partial_line()
        self._recorded = open(path, "rb")  # noqa: SIM115
        """Lines of earlier runs that this one has not come to yet."""
        self._size = os.fstat(self._descriptor).st_size
        self._checked_bytes = 0

    def _cut_partial_line(self) -> None:
        """Remove what a run that was killed left of a line that it did not finish: its event was never served."""
        end = os.fstat(self._descriptor).st_size
        position = end
        while position > 0:
            start = max(0, position - _SCAN_BYTES)
            found = os.pread(self._descriptor, position - start, start).rfind(b"\n")
            if found >= 0:
                position = start + found + 1
                break
            position = start
        if position < end:
            os.ftruncate(self._descriptor, position)

    def record(self, lines: Sequence[str]) -> None:
        """Record events, a line of JSON each, before they are made available.

        Raises LedgerMismatchError where an earlier run recorded something else in their place, LedgerError where the file
        cannot be written.
        """
        fresh = list(lines)
        if self._checked_bytes < self._size:
            fresh = self._check(fresh)
        self._lines += len(fresh)
        if fresh:
            self._write("\n".join([*fresh, ""]).encode())

    def _check(self, lines: list[str]) -> list[str]:
        """Compare with what is recorded; return the lines that come after it."""
        for place, line in enumerate(lines):
            recorded = self._recorded.readline()
            if not recorded:
                return lines[place:]
            self._checked_bytes += len(recorded)
            self._lines += 1
            if recorded != line.encode() + b"\n":
                raise LedgerMismatchError(
                    f"ledger {self._path}: line {self._lines} is of another timeline (another seed, epoch, history, "
                    "rate or file); use the options that it was begun with, or choose another path"
                )
        return []

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise LedgerError(f"ledger {self._path}: {error.strerror}; make room or choose another path") from error

    def close(self) -> None:
        """Close the file; another run may continue it."""
        self._recorded.close()
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
