"""Kills at a chosen call, and what a power loss or a bad disk leaves of a file."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, call: int, after: bool) -> None:
    """Die at the `call`th call of `owner.name`, before or after it does its work."""
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def dying(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Killed
        result = original(*arguments, **keywords)
        if calls == call and after:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, dying)


def cut(path: Path) -> None:
    """Leave the first 40 bytes of a file."""
    path.write_bytes(path.read_bytes()[:40])


def empty(path: Path) -> None:
    """Leave a file of no bytes."""
    path.write_bytes(b"")


def lose_data(path: Path) -> None:
    """Empty the one Parquet file that the log entry `path` adds."""
    files = {file.name: file for file in path.parent.parent.rglob("*.parquet")}
    (name,) = [name for name in files if name in path.read_text()]
    files[name].write_bytes(b"")


def break_end(path: Path) -> None:
    """Zero the last six bytes of a file, as a disk does, at the size that it had."""
    path.write_bytes(path.read_bytes()[:-6] + bytes(6))


def old(path: Path | str, hours: float) -> None:
    """Date a file `hours` back."""
    moment = time.time() - hours * 3600
    os.utime(path, (moment, moment))
