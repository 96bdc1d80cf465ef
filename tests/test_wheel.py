"""The wheel: `bluelake` with its data files and its real dependencies, which works alone on a lake."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.drain import drain
from tests.support.buffers import feed
from tests.support.frames import commit_frame
from tests.support.paths import ROOT
from tests.support.processes import clean_environment
from tests.support.published import publish_view

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
POST = "app.bsky.feed.post"
# Everything that the wheel could take by mistake lies beside what it holds.
BESIDE = ("ingest", "repair", "transforms", "webapi", "dags", "airflow", "harness", "tests/core")

IN_PYTHON = """
import json, bluelake
found = bluelake.search("good morning")
print(json.dumps({
    "where": bluelake.__file__,
    "load": bluelake.load("posts").collect()["rkey"].sort().to_list(),
    "search": [post.text for post in found.posts],
    "export": bluelake.export("good", output="posts.csv").posts,
    "sql": bluelake.sql("SELECT count(*) FROM posts").rows,
    "status": {part.name: part.state for part in bluelake.status()},
    "views": [view.name for view in bluelake.views()],
    "view": bluelake.view("ranks").rows,
}))
"""


def resolved(group: str) -> set[str]:
    """The requirements of a dependency group and of the groups that it includes."""
    found: set[str] = set()
    for entry in PROJECT["dependency-groups"][group]:
        found |= {entry} if isinstance(entry, str) else resolved(entry["include-group"])
    return found


def test_the_project_depends_on_what_the_groups_core_and_lake_name() -> None:
    assert set(PROJECT["project"]["dependencies"]) == resolved("core") | resolved("lake")
    assert len(PROJECT["project"]["dependencies"]) == len(set(PROJECT["project"]["dependencies"]))


@dataclass(frozen=True)
class Installed:
    """The wheel in an environment of its own, with nothing else but its dependencies."""

    wheel: Path
    bin: Path

    def run(self, home: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment outside of the checkout."""
        environment = clean_environment(BLUELAKE_HOME=str(home))
        environment.pop("PYTHONPATH", None)
        program = [str(self.bin / command[0]), *command[1:]]
        return subprocess.run(program, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def run_uv(*arguments: str) -> None:
    """Run uv on its cache, or with the package index if the cache lacks something."""
    uv = [sys.executable, "-m", "uv", "--quiet"]
    if subprocess.run([*uv, "--offline", *arguments], capture_output=True, check=False).returncode:
        done = subprocess.run([*uv, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel of a copy of the tree, installed alone."""
    tree, out, environment = (tmp_path_factory.mktemp(name) for name in ("tree", "out", "environment"))
    for folder in ("bluelake", *BESIDE):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, tree)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=tree,
        capture_output=True,
        check=True,
    )
    (wheel,) = out.glob("*.whl")
    python = environment / "bin" / "python"
    run_uv("venv", "--clear", "-p", sys.executable, str(environment))
    run_uv("pip", "install", "-p", str(python), "-c", str(ROOT / "requirements" / "lake.txt"), str(wheel))
    return Installed(wheel, python.parent)


@pytest.fixture
def lake(buffer: Buffer, settings: Settings) -> Path:
    """The home of a lake with two posts and a published view."""
    feed(
        buffer,
        [
            commit_frame(POST, rkey="3kone", record={"text": "good morning"}),
            commit_frame(POST, rkey="3ktwo", record={"text": "good night"}),
        ],
    )
    drain(settings)
    publish_view(settings)
    return settings.home


@pytest.mark.integration
def test_the_wheel_holds_the_package_with_its_data_files_and_nothing_else(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        names = {name for name in archive.namelist() if not re.match(r"bluelake-[0-9.]+\.dist-info/", name)}
    checkout = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "bluelake").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == checkout
    assert {Path(name).suffix for name in names} == {".py", ".sql", ".lua"}


@pytest.mark.integration
def test_the_library_works_alone(installed: Installed, lake: Path, tmp_path: Path) -> None:
    done = installed.run(lake, "python", "-c", IN_PYTHON, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert not Path(told.pop("where")).is_relative_to(ROOT)
    assert told.pop("status")["lake"] == "up"
    assert told == {
        "load": ["3kone", "3ktwo"],
        "search": ["good morning"],
        "export": 2,
        "sql": [[2]],
        "views": ["ranks"],
        "view": [[1, "tag1"], [2, "tag2"], [3, "tag3"]],
    }
    assert len((tmp_path / "posts.csv").read_text(encoding="utf-8").splitlines()) == 3


def together(
    run: Callable[[tuple[str, ...]], subprocess.CompletedProcess[str]], *commands: tuple[str, ...]
) -> list[Any]:
    """Run commands side by side; their results in the same order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(run, commands))


@pytest.mark.integration
def test_the_commands_of_the_library_work_alone(installed: Installed, lake: Path, tmp_path: Path) -> None:
    search, export, sql, status, shown, listed, module = together(
        lambda command: installed.run(lake, *command, cwd=tmp_path),
        ("bluelake", "search", "good morning", "--json"),
        ("bluelake", "export", "good", "--output", "out.csv"),
        ("bluelake", "sql", "SELECT rkey FROM posts ORDER BY 1", "--json"),
        ("bluelake", "status", "--json"),
        ("bluelake", "views", "show", "ranks", "--json"),
        ("bluelake", "views", "list", "--json"),
        ("python", "-m", "bluelake", "--help"),
    )
    assert [post["text"] for post in json.loads(search.stdout)] == ["good morning"], search.stderr
    assert export.stderr == "2 posts\n"
    assert len((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()) == 3
    assert json.loads(sql.stdout) == [{"rkey": "3kone"}, {"rkey": "3ktwo"}], sql.stderr
    assert {part["part"]: part["state"] for part in json.loads(status.stdout)}["views"] == "published", status.stderr
    assert [row["tag"] for row in json.loads(shown.stdout)] == ["tag1", "tag2", "tag3"], shown.stderr
    assert [row["view"] for row in json.loads(listed.stdout)] == ["ranks"], listed.stderr
    assert module.returncode == 0
    assert "Not available here" in module.stdout


@pytest.mark.integration
def test_a_command_of_an_application_says_in_one_line_what_is_missing(
    installed: Installed, home: Path, tmp_path: Path
) -> None:
    folders = {
        ("ingest", "--exit-when-idle", "3"): "ingest",
        ("web",): "webapi",
        ("views", "refresh"): "transforms",
        ("replay", "file.ndjson", "--from", "2h"): "repair",
        ("simulate", "--rate", "5"): "harness",
        ("airflow", "scheduler"): "airflow",
        ("up",): "airflow",
    }
    results = together(lambda command: installed.run(home, "bluelake", *command, cwd=tmp_path), *folders)
    for (command, folder), done in zip(folders.items(), results, strict=True):
        assert done.returncode == 2, command
        assert re.fullmatch(rf"bluelake: [a-z ]+: needs the folder {folder}/ of Bluelake, .*\n", done.stderr), (
            done.stderr
        )
