"""Which names of a package its neighbours may use, and that every room is in the contract of layers."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from bluelake.cli.applications import APPLICATIONS
from tests.support.paths import ROOT

LAKE_PACKAGES = sorted(
    f"bluelake.lake.{folder.name}"
    for folder in (ROOT / "bluelake" / "lake").iterdir()
    if (folder / "__init__.py").exists()
)
# Their public names are in their `__init__`; their modules are their own.
PACKAGES = [*LAKE_PACKAGES, "repair"]
# Rooms that have rooms within.
HOUSES = ("bluelake", "bluelake.lake", "harness")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    """The dotted name of a file of the checkout."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(*folders: str) -> list[Path]:
    """The Python files below some folders of the checkout."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    """Every import of a module, also within functions: the module, and the name that is taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield from ((str(node.module), alias.name) for alias in node.names)


@cache
def imports_of(path: Path) -> list[tuple[str, str | None]]:
    return list(imports(ast.parse(path.read_text(encoding="utf-8"))))


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def public(package: str) -> set[str]:
    return set(import_module(package).__all__)


def misuse(module: str, name: str | None) -> str | None:
    """What an import takes of a package that is not public; None where all is well. The caller is outside of it."""
    for package in PACKAGES:
        if module == package and name is None:
            return None
        if module == package and name not in public(package):
            return f"{package} has no public {name}"
        if within(module, package) and module != package and module != f"{package}.commands":
            return f"{module} is a module of {package}"
    return None


def top_folders() -> list[str]:
    """Top-level folders with Python of ours: all but the tests and what is not in the checkout."""
    ignored = {"tests", "data", "build", "dist"}
    return sorted(
        folder.name
        for folder in ROOT.iterdir()
        if folder.is_dir()
        and not folder.name.startswith(".")
        and folder.name not in ignored
        and any(folder.rglob("*.py"))
    )


@pytest.mark.parametrize("folder", top_folders())
def test_only_public_names_of_a_package_are_imported_outside_of_it(folder: str) -> None:
    wrong = []
    for path in sources(folder):
        own = module_name(path)
        for module, name in imports_of(path):
            inside = any(within(own, package) and within(module, package) for package in PACKAGES)
            if not inside and (problem := misuse(module, name)):
                wrong.append(f"{path.relative_to(ROOT)}: {problem}")
    assert wrong == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("from bluelake.lake.drain import drain", None),
        ("import bluelake.lake.drain", None),
        ("from bluelake.lake.drain import drainer", "bluelake.lake.drain has no public drainer"),
        ("def f():\n    from bluelake.lake.drain.parser import parse", "bluelake.lake.drain.parser is a module of"),
        ("import repair.replay", "repair.replay is a module of repair"),
        ("from repair.commands import register", None),
        ("from bluelake.lake.tables import POSTS", None),
    ],
)
def test_a_module_of_a_package_is_seen_in_an_import(line: str, problem: str | None) -> None:
    ((module, name),) = imports(ast.parse(line))
    found = misuse(module, name)
    assert found is None if problem is None else str(found).startswith(problem)


def test_the_library_imports_no_application() -> None:
    # `dags` and `airflow` have no commands. The package apache-airflow is also called airflow.
    applications = {application.name for application in APPLICATIONS} | {"dags"}
    wrong = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in sources("bluelake")
        for module, _ in imports_of(path)
        if module.partition(".")[0] in applications
    ]
    assert wrong == []


def test_every_application_with_commands_is_known_to_the_command_line() -> None:
    there = {path.parent.name for path in ROOT.glob("*/commands.py")}
    assert there == {application.name for application in APPLICATIONS}


def test_every_room_is_in_the_contract_of_layers() -> None:
    (contract,) = (
        contract for contract in PYPROJECT["tool"]["importlinter"]["contracts"] if contract["type"] == "layers"
    )
    layers = {name for line in contract["layers"] for name in re.split(r"\s*[|:]\s*", line)}
    rooms = {folder for folder in top_folders() if (ROOT / folder).name not in ("scripts", "airflow", *HOUSES)}
    for house in HOUSES:
        for path in (ROOT / house.replace(".", "/")).iterdir():
            if (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem not in ("__init__", "__main__")):
                rooms.add(f"{house}.{path.stem}")
    rooms -= {house for house in HOUSES if any(room.startswith(f"{house}.") for room in rooms)}
    assert rooms == layers
    assert set(PYPROJECT["tool"]["importlinter"]["root_packages"]) == {name.partition(".")[0] for name in layers}


def test_mypy_reads_every_package_that_is_imported() -> None:
    overrides = PYPROJECT["tool"]["mypy"]["overrides"]
    skipped = {
        module.removesuffix(".*")
        for override in overrides
        if override.get("follow_imports") == "skip"
        for module in override["module"]
    }
    assert "sqlalchemy" in skipped
    imported = {module.partition(".")[0] for path in sources(*top_folders(), "tests") for module, _ in imports_of(path)}
    assert imported & skipped == set()
