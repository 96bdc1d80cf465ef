"""Homes made once and copied for each test, and projects of fewer views: a refresh takes seconds of SQLMesh's own work."""

import fcntl
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from bluelake.core.scratch import leave
from bluelake.core.settings import Settings
from transforms.project import PROJECT

# What fills the home of the settings.
Make = Callable[[Settings], object]
# The end of a model's header, from its audits on.
AUDITS = re.compile(r",\n  audits \(.*?\n\);", re.DOTALL)
LOOKBACK = re.compile(r",\n\s+lookback @lookback_days")


def settings_of(home: Path) -> Settings:
    """Settings for `home`, for what needs no Redis."""
    return Settings(bluelake_home=home, duckdb_threads=2, duckdb_memory_mb=512)


def made_once(folder: Path, make: Make) -> Path:
    """The home `folder`, which `make` fills for the first test that asks. Tests in other workers wait for it."""
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            making = folder.with_name(f"{folder.name}.making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            make(settings_of(making))
            leave(making / "tmp")
            making.rename(folder)
    return folder


def copy_of(template: Path, home: Path) -> None:
    """Copy the home `template` into the empty `home`."""
    shutil.copytree(template, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("tmp"))


def project_of(home: Path, *views: str, audits: bool = False) -> Path:
    """A copy of the project in `home` that has only `views`, all of them where none is named.

    Audits take half of a refresh's time, and so do the days before the newest one that SQLMesh computes each time. A test
    that is about something else, as which days are stale, does without.
    """
    copy = home / "project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("__pycache__", "config.py", "tests"))
    for model in (copy / "models").iterdir():
        # The refresh itself reads this one, to see which days show what.
        if views and model.stem not in (*views, "most_liked_posts_daily"):
            model.unlink()
            continue
        text = model.read_text(encoding="utf-8")
        if not audits:
            text, found = AUDITS.subn("\n);", text)
            assert found == 1, model
        text, found = LOOKBACK.subn("", text)
        assert found == 1, model
        model.write_text(text, encoding="utf-8")
    return copy
