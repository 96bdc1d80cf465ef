"""The pages lead on: every link has its target, the index names every page, the README names every room."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from tests.support.paths import ROOT

DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / ".github").rglob("*.md")])

_FENCED = re.compile(r"^\s*```.*?^\s*```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)


def links(text: str) -> list[str]:
    """The targets of the links and pictures in a page, those in code left out."""
    prose = _CODE.sub("code", _FENCED.sub("", text))
    # A picture in a link: its own target goes first, and then the link's.
    pictures = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", prose)
    return pictures + _LINK.findall(re.sub(r"!\[[^\]]*\]\([^)\s]+\)", "picture", prose))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings: lower case, no punctuation, hyphens for spaces, numbered if twice."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (numbered := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(numbered)
    return found


def broken(page: Path) -> Iterator[str]:
    """The links of a page that lead nowhere in the repository, each with the reason. Links to other sites are not asked."""
    for target in links(page.read_text(encoding="utf-8")):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not path.exists() or not path.is_relative_to(ROOT):
            yield f"{target}: there is no such file"
        elif parts.fragment and parts.fragment not in anchors(path.read_text(encoding="utf-8")):
            yield f"{target}: no heading of {path.name} has this anchor"


def pages_linked_from(page: Path) -> set[Path]:
    """The pages of the repository that a page links to."""
    targets = (urlsplit(target) for target in links(page.read_text(encoding="utf-8")))
    return {
        (page.parent / unquote(parts.path)).resolve()
        for parts in targets
        if parts.path.endswith(".md") and not parts.scheme
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


def test_the_index_links_every_page() -> None:
    pages = set(DOCS.glob("*.md")) - {INDEX}

    assert sorted(path.name for path in pages - pages_linked_from(INDEX)) == []


@pytest.mark.parametrize(
    "folder", sorted({page.parent for page in DOCS.rglob("*.md")} - {DOCS}), ids=lambda folder: folder.name
)
def test_a_folder_of_pages_has_an_index_that_links_every_page(folder: Path) -> None:
    index = folder / "README.md"

    assert index in pages_linked_from(INDEX)
    assert sorted(path.name for path in set(folder.glob("*.md")) - {index} - pages_linked_from(index)) == []


def test_the_readme_names_every_room() -> None:
    rooms = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("*/__init__.py")}
    rooms |= {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("bluelake/*/__init__.py")}
    rooms |= {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("harness/*/__init__.py")}
    rows = re.findall(r"^\| (`.+?) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)}

    assert "bluelake/lake" in rooms
    assert sorted(rooms - named) == []
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("form", ["bug.yml", "feature.yml"])
def test_an_issue_form_has_what_github_asks_for(form: str) -> None:
    read = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / form).read_text(encoding="utf-8"))

    assert {"name", "description", "body"} <= read.keys()
    fields = [field for field in read["body"] if field["type"] != "markdown"]
    assert all(field["type"] in ("input", "textarea") and field["attributes"]["label"] for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_a_broken_link_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "there.md").write_text("# A `code` heading, twice!\n# A code heading twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Top\n[a](there.md#a-code-heading-twice) [b](there.md#a-code-heading-twice-1) [c](#top) ![d](there.md)\n"
        "[e](https://example.org/nowhere) `[f](in-code.md)`\n```\n[g](in-code.md)\n```\n"
        "[h](away.md) [i](#bottom) [j](there.md#other) [k](../outside.md) [![l](lost.png)](there.md)\n"
    )

    assert [line.split(":")[0] for line in broken(page)] == [
        "lost.png",
        "away.md",
        "#bottom",
        "there.md#other",
        "../outside.md",
    ]
