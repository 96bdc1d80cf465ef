"""The Dockerfiles, read without an engine: what each image installs, holds and runs, and that it is enough."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from fnmatch import fnmatch
from pathlib import Path

import pytest

from bluelake.core.settings import Settings
from bluelake.stack.supervisor import programs
from tests.support.compose import OURS, SERVICES
from tests.support.paths import ROOT
from tests.support.processes import clean_environment

GROUPS = {
    "ingest": "ingest",
    "simulator": "ingest",
    "web": "webapi",
    **{name: "airflow" for name in OURS if name.startswith("airflow-")},
}


class Stage:
    """One stage of a Dockerfile: where it starts from, and its instructions."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.instructions: list[tuple[str, str]] = []

    def all(self, word: str) -> list[str]:
        """The arguments of every instruction `word`."""
        return [rest for instruction, rest in self.instructions if instruction == word]

    @property
    def entrypoint(self) -> list[str]:
        """What a container runs; empty if the stage does not say."""
        found = self.all("ENTRYPOINT")
        words: list[str] = json.loads(found[-1]) if found else []
        return words


def stages(service: str) -> list[Stage]:
    """The stages of which the image of `service` is made, the last one last."""
    build = SERVICES[service]["build"]
    text = (ROOT / build["dockerfile"]).read_text(encoding="utf-8").replace("\\\n", " ")
    named: dict[str, Stage] = {}
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = named[name] = Stage(base)
        elif word and word != "#":
            stage.instructions.append((word, rest.strip()))
    chain = [named[build["target"]] if "target" in build else stage]
    while chain[0].base in named:
        chain.insert(0, named[chain[0].base])
    return [named["packages"], *chain]


def folders(service: str) -> list[str]:
    """What the image of `service` takes from the checkout, without the requirements."""
    found = []
    for stage in stages(service)[1:]:
        for copied in stage.all("COPY"):
            if not copied.startswith("--from="):
                source, target = copied.split()
                assert source == target
                found.append(source)
    return found


def requirements(service: str) -> Path:
    """The requirements file that the image of `service` is built from."""
    (copied,) = stages(service)[0].all("COPY")
    return ROOT / copied.split()[0]


def locked(file: Path) -> set[str]:
    """The distributions that a requirements file names."""
    return set(re.findall(r"^([a-z0-9][a-z0-9-]*)(?:\[[^\]]*\])?==", file.read_text(encoding="utf-8"), re.MULTILINE))


def image_command(service: str) -> list[str]:
    """What a container of `service` runs: its entrypoint, else the image's, and its command."""
    entrypoint = SERVICES[service].get("entrypoint") or stages(service)[-1].entrypoint
    return [*entrypoint, *SERVICES[service].get("command", [])]


def test_the_containers_run_the_commands_that_run_without_containers(lake_settings: Settings) -> None:
    """But Redis, which has an image of its own, the simulator, which has no other room, and what greets the terminal."""
    without = {
        program.name: ["python", *program.command[1:]]
        for program in programs(lake_settings, demo=True)
        if program.name not in ("redis", "simulator", "announce")
    }

    assert {name: image_command(name) for name in OURS if name not in ("airflow-init", "simulator")} == without
    assert image_command("simulator")[:3] == ["python", "-m", "harness.simulator"]
    assert image_command("airflow-init") == ["python", "-m", "bluelake.stack.airflow_env"]


@pytest.mark.parametrize("service", OURS)
def test_an_image_installs_its_own_group_by_hash_and_is_no_root(service: str) -> None:
    first, *rest = stages(service)

    assert requirements(service) == ROOT / "requirements" / f"{GROUPS[service]}.txt"
    assert all("--require-hashes" in run for run in first.all("RUN"))
    assert not any("pip install" in run for stage in rest for run in stage.all("RUN"))
    assert [user for stage in rest for user in stage.all("USER")] == ["bluelake"]


@pytest.mark.parametrize("service", OURS)
def test_what_an_image_copies_is_there_and_reaches_the_engine(service: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = [line[1:] for line in ignored if line.startswith("!")]

    assert folders(service)
    for folder in (*folders(service), str(requirements(service).relative_to(ROOT))):
        assert (ROOT / folder).exists(), folder
        assert any(fnmatch(folder, line) or line.startswith(f"{folder}/") for line in let_through), folder
    assert "*" in ignored


@pytest.mark.parametrize("service", ["ingest", "simulator"])
def test_the_light_images_hold_nothing_heavy(service: str) -> None:
    heavy = {"apache-airflow", "apache-airflow-core", "django", "duckdb", "deltalake", "pyarrow", "sqlmesh", "numpy"}

    assert heavy & locked(requirements(service)) == set()
    assert not {"repair", "transforms", "webapi", "dags", "airflow"} & set(folders(service))


# Imports the modules that it is given, with only one image's folders and one image's distributions to find.
IMPORTER = """
import importlib, importlib.metadata, re, sys
packages, allowed, *modules = sys.argv[1:]
allowed = set(allowed.split(","))
sys.path.append(packages)
owners = importlib.metadata.packages_distributions()
normal = lambda name: re.sub("[-_.]+", "-", name).lower()
absent = {top for top, names in owners.items() if not allowed & {normal(name) for name in names}}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
for module in modules:
    importlib.import_module(module)
print(" ".join(sorted({module.partition(".")[0] for module in sys.modules})))
"""
IMPORTS = {
    "ingest": ["bluelake.cli.main", "bluelake.cli.processes", "ingest.main"],
    "simulator": ["harness.simulator.cli"],
    "web": [
        "bluelake.cli.main",
        "webapi.server",
        "webapi.wsgi",
        "webapi.urls",
        "webapi.gunicorn_config",
        "gunicorn.app.wsgiapp",
    ],
    "airflow-init": ["bluelake.stack.airflow_env"],
    "airflow-scheduler": [
        "bluelake.cli.main",
        "bluelake.lake.drain.drainer",
        "bluelake.lake.compaction.maintenance",
        "bluelake.lake.compaction.sealer",
        "bluelake.lake.views.published",
        "repair.backfill",
        "repair.commands",
        "transforms.refresh",
        "drain_buffer",
        "maintain_lake",
        "refresh_views",
        "seal_hours",
    ],
}


@pytest.mark.integration
@pytest.mark.parametrize("service", sorted(IMPORTS))
def test_an_image_holds_all_that_its_process_imports(service: str, tmp_path: Path) -> None:
    for folder in folders(service):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "state").mkdir()
    # Airflow adds the folder of the DAGs by itself.
    paths = [tmp_path, tmp_path / "dags"] if "dags" in folders(service) else [tmp_path]
    # -S: neither this checkout's own installation nor anything else that site would add.
    done = subprocess.run(
        [sys.executable, "-S", "-c", IMPORTER, sysconfig.get_path("purelib"), ",".join(locked(requirements(service)))]
        + IMPORTS[service],
        cwd=tmp_path,
        env=clean_environment(
            PYTHONPATH=os.pathsep.join(map(str, paths)),
            PYTHONDONTWRITEBYTECODE="1",
            AIRFLOW_HOME=str(tmp_path / "state"),
            BLUELAKE_HOME=str(tmp_path / "state"),
            DJANGO_SETTINGS_MODULE="webapi.settings",
        ),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    if service == "ingest":
        assert "websockets" in imported
        assert not {"airflow", "django", "duckdb", "deltalake", "pyarrow", "numpy"} & imported
