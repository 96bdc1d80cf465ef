"""The docs say what the code says: settings, metrics, dependencies; and no tracked file names a machine's own places."""

import os
import re
import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from bluelake.core.metrics import METRICS, MetricDefinition
from bluelake.core.settings import Settings
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
UNITS = {
    "_seconds": "seconds",
    "_mb": "MB",
    "_days": "days",
    "_port": "port",
    "_schedule": "cron",
}
TYPES = {"int": "integer", "float": "number", "bool": "true or false", "str": "text", "Path": "path", "tuple": "list"}


def rows(page: str, columns: int) -> list[list[str]]:
    """The cells of every table row of `columns` cells in a page of the docs, its header and rule left out."""
    found = []
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            assert len(cells) == columns, f"{page}: {line}"
            found.append(cells)
    return found


def code(cell: str) -> str:
    """What stands in a cell between backquotes."""
    match = re.fullmatch(r"`(.*)`", cell)
    assert match, f"{cell!r} is not in backquotes"
    return match[1]


def default_cell(field: FieldInfo) -> str:
    """A setting's default, as the page shows it."""
    if field.default_factory is not None:
        return "number of cores"
    if field.default in ("", None):
        return "unset"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    if isinstance(field.default, tuple):
        return f"`{','.join(field.default)}`"
    return f"`{field.default:g}`" if isinstance(field.default, float) else f"`{field.default}`"


def type_name(field: FieldInfo) -> str:
    """A setting's type, as the page calls it."""
    if isinstance(field.default, tuple):
        return TYPES["tuple"]
    if get_origin(field.annotation) is Literal:
        return TYPES["str"]
    kinds = get_args(field.annotation) or (field.annotation,)
    if isinstance(kinds[0], str):
        return TYPES["str"]
    return next(TYPES[kind.__name__] for kind in kinds if isinstance(kind, type) and kind is not type(None))


def bounds(field: FieldInfo) -> list[str]:
    """What a setting's value must lie between, as the page says it; empty where there are no bounds."""
    low = next((f"{limit.ge}" for limit in field.metadata if isinstance(limit, Ge)), None)
    over = next((f"{limit.gt}" for limit in field.metadata if isinstance(limit, Gt)), None)
    high = next((f"{limit.le}" for limit in field.metadata if isinstance(limit, Le)), None)
    if high is not None:
        return [f"{low} to {high}" if low is not None else f"over {over} to {high}"]
    if low is not None:
        return [f"at least {low}"]
    return [f"over {over}"] if over is not None else []


def test_every_setting_is_in_the_docs_and_no_other() -> None:
    documented = [code(row[0]) for row in rows("settings.md", 4)]

    assert sorted(documented) == sorted(name.upper() for name in Settings.model_fields)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_the_docs_tell_a_setting_as_the_code_does(name: str) -> None:
    field = Settings.model_fields[name]
    ((_, kind, default, meaning),) = [row for row in rows("settings.md", 4) if row[0] == f"`{name.upper()}`"]

    first, *rest = kind.split(", ")
    assert first == type_name(field)
    assert rest[len(rest) - len(bounds(field)) :] == bounds(field)
    unit = next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), None)
    assert unit is None or unit in rest
    assert default == default_cell(field)
    assert meaning.endswith(".")


@pytest.mark.parametrize("name", sorted(METRICS))
def test_the_docs_tell_a_metric_as_the_code_does(name: str) -> None:
    definition = METRICS[name]
    ((_, kind, labels, meaning),) = [row for row in rows("metrics.md", 4) if row[0] == f"`{name}`"]

    assert (kind, labels, meaning) == (definition.type, labels_cell(definition), definition.meaning)


def labels_cell(definition: MetricDefinition) -> str:
    """A metric's labels, as the page shows them."""
    if definition.label_values:
        (label,) = definition.labels
        return f"`{label}`: " + ", ".join(f"`{value}`" for value in definition.label_values)
    return ", ".join(f"`{label}`" for label in definition.labels) or "–"


def test_no_metric_is_in_the_docs_only() -> None:
    assert {code(row[0]) for row in rows("metrics.md", 4)} == METRICS.keys()


def direct_dependencies() -> dict[str, set[str]]:
    """Every dependency that pyproject.toml names, with the groups that name it."""
    groups: dict[str, list[Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "dependency-groups"
    ]
    found = defaultdict(set)
    for group, entries in groups.items():
        for entry in entries:
            if isinstance(entry, str):
                match = re.match(r"[A-Za-z0-9._-]+", entry)
                assert match
                found[match[0]].add(group)
    return found


def test_every_dependency_is_in_the_docs_with_its_groups_and_a_reason() -> None:
    documented = {code(name): set(groups.split(", ")) for name, groups, _ in rows("dependencies.md", 3)}

    assert documented == direct_dependencies()
    assert all(len(reason) > 10 and reason.endswith(".") for _, _, reason in rows("dependencies.md", 3))


def test_check_runs_the_hooks_before_a_commit_and_fails_with_any_of_them(tmp_path: Path) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    entries = [hook["entry"] for hook in hooks]
    # In place of each tool, a program that tells how it was called and fails where FAILS names it.
    for name in {entry.split()[0] for entry in entries}:
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\necho {name} "$@"\n[ "$FAILS" != {name} ]\n')
        tool.chmod(0o755)

    def check(fails: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "FAILS": fails}
        return subprocess.run(
            [ROOT / "scripts" / "check"], env=environment, capture_output=True, text=True, check=False
        )

    done = check(fails="")
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, entries, "")
    for entry in entries:
        failed = check(fails=entry.split()[0])
        assert failed.returncode == 1
        assert f"failed: {entry}\n" in failed.stderr


def test_every_view_is_in_the_docs() -> None:
    models = {path.stem for path in (ROOT / "transforms" / "models").glob("*.sql")}
    page = (DOCS / "views.md").read_text(encoding="utf-8")

    assert models
    assert set(re.findall(r"^### `(\w+)`$", page, re.MULTILINE)) == models


def test_every_make_target_is_in_contributing() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert {"check", "test"} < targets
    assert targets == set(re.findall(r"`make ([a-z-]+)`", page))


ROOMS = "bluelake|ingest|repair|transforms|webapi|dags|airflow|harness|tests|docs|scripts|requirements"


@pytest.mark.parametrize(
    "page",
    sorted(path for path in (*DOCS.rglob("*.md"), *ROOT.glob("*.md")) if path.name != "CHANGELOG.md"),
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_every_place_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    places = set(re.findall(rf"`(?:\S*pytest -q )?((?:{ROOMS})/[\w./-]*)(?:::\w+)?`", text))

    assert sorted(place for place in places if not (ROOT / place).exists()) == []


# Put together here, so that this file is not the one that names them.
FORBIDDEN = (
    *(re.compile(rf"(?<![\w.-])/{folder}/") for folder in ("work", "root", r"home/\w+")),
    *(
        re.compile(re.escape(".".join(host)))
        for host in (("pypi", "org"), ("files", "pythonhosted", "org"), ("registry", "npmjs", "org"))
    ),
)


def files_of_the_project() -> list[Path]:
    """Everything that git tracks, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def named_places(text: str) -> list[str]:
    """The machine's folders and the package registries that `text` names."""
    return [match[0] for pattern in FORBIDDEN for match in pattern.finditer(text)]


def test_no_file_names_a_folder_of_a_machine_or_a_package_registry() -> None:
    found = {
        str(path.relative_to(ROOT)): places
        for path in files_of_the_project()
        if (places := named_places(path.read_text(encoding="utf-8", errors="replace")))
    }

    assert found == {}


def test_such_a_name_would_be_found() -> None:
    registry = ".".join(("pypi", "org"))

    assert named_places("open('/" + "work/x')") == ["/" + "work/"]
    assert named_places("cd /" + "home/ann/lake") == ["/" + "home/ann/"]
    assert named_places(f"https://{registry}/simple") == [registry]
    assert named_places("lake/work/x, ../root/, https://example.org/home/page/") == []


RETIRED_HEADING = "## Retired words"
# The glossary explains the old words, the changelog tells of them, and this file names some as examples.
MAY_NAME_RETIRED = frozenset(("docs/glossary.md", "CHANGELOG.md", "tests/test_docs.py"))

# The names of files in lakes that exist stay.
FILES_ON_DISK = re.compile(r"doomed-")


def retired_words(glossary: str) -> dict[str, str]:
    """What stands between backquotes in the first column of the glossary's table, and what is used now.

    A retired word without backquotes is an everyday word that is only wrong in one sense: no test can look for it.
    """
    assert RETIRED_HEADING in glossary, f"docs/glossary.md has no heading {RETIRED_HEADING!r}"
    section = re.split(r"^## ", glossary.split(RETIRED_HEADING, maxsplit=1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    table = [line.strip().strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    assert all(len(cells) == 2 for cells in table), "the table of retired words has two columns: retired, now"
    return {word: now.strip() for retired, now in table for word in re.findall(r"`([^`]+)`", retired)}


def uses(word: str, text: str) -> list[int]:
    """The numbers of the lines of `text` that use `word`, also as a part of a name with underscores.

    In lower case it is found however it is written, and at the head of a CamelCase name. With a capital it is a name, and
    is found as it is written.
    """
    lower = word == word.lower()
    alone = rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])"
    pattern = rf"(?i:{alone})|{word.capitalize()}(?=[A-Z])" if lower else rf"(?<![A-Za-z]){re.escape(word)}(?![a-z])"
    return [number for number, line in enumerate(text.splitlines(), start=1) if re.search(pattern, line)]


def test_retired_words_do_not_come_back() -> None:
    words = retired_words((DOCS / "glossary.md").read_text(encoding="utf-8"))
    texts = {
        name: FILES_ON_DISK.sub("", path.read_text(encoding="utf-8", errors="replace"))
        for path in files_of_the_project()
        if (name := path.relative_to(ROOT).as_posix()) not in MAY_NAME_RETIRED and path.suffix != ".png"
    }

    assert words, "no word in the table of retired words is in backquotes"
    found = [
        f"{name}:{line}: {word!r}; now: {now}"
        for word, now in words.items()
        for name, text in texts.items()
        for line in uses(word, text)
    ]
    assert found == [], "use the new word, or take the old one's backquotes away in docs/glossary.md"


GLOSSARY = """# Glossary
| `chunk` | not a retired word |

## Retired words

| retired | now |
|---|---|
| `doomed`, `Doomed` | pending purge |
| gone | a word of every day |

## Another heading

| `drain` | stays |
"""


def test_retired_words_are_those_in_backquotes() -> None:
    assert retired_words(GLOSSARY) == {"doomed": "pending purge", "Doomed": "pending purge"}


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        pytest.param("doomed", "oldest_doomed_seconds", True, id="part of a name"),
        pytest.param("doomed", "Doomed rows", True, id="at the head of a sentence"),
        pytest.param("doomed", "class DoomedRows:", True, id="at the head of a class's name"),
        pytest.param("strike", "on strikes", False, id="another word that begins alike"),
        pytest.param("Place", "place: Place", True, id="a class"),
        pytest.param("Place", "in place of it", False, id="a name with a capital is found with it only"),
        pytest.param("sum_up", "summed up", False, id="another form"),
    ],
)
def test_where_a_retired_word_is_found(word: str, text: str, found: bool) -> None:
    assert bool(uses(word, text)) is found
