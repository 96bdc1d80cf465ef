"""Names of a parametrized test's cases."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

LONGEST = 60


def case_name(value: object) -> str | None:
    """A name for `value`; None where pytest's own is good, or where only its address in memory would tell it apart."""
    if isinstance(value, bytes | int | float | complex | None):
        return None
    if isinstance(value, str) and len(value) <= LONGEST:
        return None
    words = _words(value)
    if words is None or len(words) <= LONGEST:
        return words
    return words[: LONGEST - 1] + "~"


def _words(value: object) -> str | None:
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, date | time | timedelta | datetime | Path):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str | int | float | None):
        return str(value)
    if isinstance(value, Mapping):
        return _joined([f"{name}={_words(of)}" for name, of in value.items()])
    if isinstance(value, list | tuple):
        return _joined([_words(item) for item in value])
    if isinstance(value, set | frozenset):
        return _joined(sorted(str(_words(item)) for item in value))
    return getattr(value, "__name__", None)


def _joined(words: Sequence[str | None]) -> str | None:
    if not words:
        return "none"
    return None if None in words else ", ".join(word for word in words if word is not None)
