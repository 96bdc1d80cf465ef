"""Pages and docstrings are in plain English: short sentences, counted.

`sentences_of_page`, `sentences_of_cells` and `sentences_of_module` say what a sentence is. Two limits hold for each page
and each package. The mean is at most MOST_WORDS. Under MOST_LONG of the sentences have more than LONG_WORDS words.
"""

import ast
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.paths import ROOT

MOST_WORDS = 16.0
LONG_WORDS = 30
MOST_LONG = 0.05
SHOWN = 5

PACKAGES = ("bluelake", "dags", "harness", "ingest", "repair", "transforms", "webapi")
PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md")]
    + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
)

_FENCE = re.compile(r"\s*```")
# Tables, headings, HTML and pictures are no sentences.
_NO_PROSE = re.compile(r"\s*(\||#|<|!\[)")
# A bar in code parts no cells, as in `list|show`.
_CELL_END = re.compile(r"\s\|\s")
_LIST_ITEM = re.compile(r"\s*(?:[-*]|\d+\.)\s+")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_CODE = re.compile(r"`[^`]*`")
_END = re.compile(r"(?<=[.!?:])\s+(?=[A-Z«\"'(\[*0-9])")
_WORD = re.compile(r"[\w'’]+")
# What stands for a piece of code: one word, and it may begin a sentence.
_CODE_WORD = "CODE"


@dataclass(frozen=True)
class Sentence:
    """One sentence and where it begins. Words between backquotes count as one."""

    path: Path
    line: int
    text: str

    @property
    def words(self) -> int:
        """How many words it has."""
        return len(_WORD.findall(self.text))


@dataclass(frozen=True)
class Measure:
    """What is counted of some sentences: the mean of words, and the share of those over LONG_WORDS, 0 to 1."""

    mean: float
    long_share: float

    @property
    def plain(self) -> bool:
        """Whether both limits hold."""
        return self.mean <= MOST_WORDS and self.long_share < MOST_LONG


def measure(sentences: Sequence[Sentence]) -> Measure:
    """Measure `sentences`; none at all are plain."""
    if not sentences:
        return Measure(0.0, 0.0)
    counts = [sentence.words for sentence in sentences]
    return Measure(sum(counts) / len(counts), sum(count > LONG_WORDS for count in counts) / len(counts))


def sentences_of_page(path: Path, text: str) -> list[Sentence]:
    """The sentences of a Markdown page. A list item ends the sentence before it; a sentence has two words at least."""
    kept = []
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        if _FENCE.match(line):
            fenced = not fenced
            kept.append((number, ""))
        elif not fenced and not _NO_PROSE.match(line):
            kept.append((number, line))
    return list(_sentences(path, kept))


def sentences_of_cells(path: Path, text: str) -> list[Sentence]:
    """The sentences in the tables of a Markdown page. Each cell is a paragraph of its own."""
    rows = ((number, line) for number, line in enumerate(text.splitlines(), start=1) if line.startswith("|"))
    return [
        sentence
        for number, line in rows
        for cell in _CELL_END.split(line.strip().strip("|"))
        for sentence in _sentences(path, [(number, cell.strip())])
    ]


def sentences_of_module(path: Path, source: str) -> list[Sentence]:
    """The sentences of a module's docstrings, counted as those of a page."""
    found: list[Sentence] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            docstring := ast.get_docstring(node, clean=False)
        ):
            lines = inspect.cleandoc(docstring).splitlines()
            found.extend(_sentences(path, enumerate(lines, start=node.body[0].lineno)))
    return found


def _sentences(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Sentence]:
    for numbers, block in _blocks(lines):
        # Line ends stay, so that a sentence's line can be counted.
        text = _CODE.sub(lambda code: _CODE_WORD + "\n" * code[0].count("\n"), _LINK.sub(r"\1", block))
        begin = 0
        for end in [*_END.finditer(text), None]:
            sentence = text[begin : end.start() if end else len(text)]
            found = Sentence(path, numbers[text[:begin].count("\n")], " ".join(sentence.split()))
            if found.words > 1:
                yield found
            begin = end.end() if end else begin


def _blocks(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[list[int], str]]:
    """Paragraphs and list items, each with the numbers of its lines."""
    block: list[tuple[int, str]] = []
    for number, line in [*lines, (0, "")]:
        item = _LIST_ITEM.match(line)
        if block and (item or not line.strip()):
            yield [number for number, _ in block], "\n".join(text for _, text in block)
            block = []
        if line.strip():
            block.append((number, line[item.end() :] if item else line))


def complaint(sentences: Sequence[Sentence]) -> str:
    """What to do about `sentences`: how they measure, and the longest with their places."""
    found = measure(sentences)
    worst = sorted(sentences, key=lambda sentence: -sentence.words)[:SHOWN]
    return "\n".join(
        [
            f"{found.mean:.1f} words a sentence (at most {MOST_WORDS:g}), {found.long_share:.1%} over {LONG_WORDS} words "
            f"(under {MOST_LONG:.0%}). Cut these sentences into shorter ones first:",
            *(f"{_place(sentence)}: {sentence.words} words: {sentence.text}" for sentence in worst),
        ]
    )


def _place(sentence: Sentence) -> str:
    path = sentence.path.relative_to(ROOT) if sentence.path.is_relative_to(ROOT) else sentence.path
    return f"{path}:{sentence.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_plain(page: Path) -> None:
    sentences = sentences_of_page(page, page.read_text(encoding="utf-8"))

    assert sentences, f"{page.name} has no sentence"
    assert measure(sentences).plain, complaint(sentences)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_tables_of_a_page_are_plain(page: Path) -> None:
    sentences = sentences_of_cells(page, page.read_text(encoding="utf-8"))

    assert measure(sentences).plain, complaint(sentences)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_docstrings_of_a_package_are_plain(package: str) -> None:
    sentences = [
        sentence
        for path in sorted((ROOT / package).rglob("*.py"))
        for sentence in sentences_of_module(path, path.read_text(encoding="utf-8"))
    ]

    assert sentences, f"{package} has no docstring"
    assert measure(sentences).plain, complaint(sentences)


def test_every_package_is_measured() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert found - {"tests"} == set(PACKAGES)


PAGE = """# A heading is not counted at all

One two three. Four five
six [seven eight](https://example.org/nine/ten) `eleven twelve`.

- First item without a full stop
- Second item: It counts twice
  3 words more

| a table | is not prose |
|---|---|

```
code is not prose. Not a word of it.
```
Done.
And the last, e.g. this one (with a bracket).
"""


def test_sentences_are_counted_as_a_person_counts_them() -> None:
    found = sentences_of_page(Path("page.md"), PAGE)

    # "Done." has one word, so it is no sentence. "e.g." is two words and ends none.
    assert [(sentence.line, sentence.words) for sentence in found] == [
        (3, 3),
        (3, 6),
        (6, 6),
        (7, 2),
        (7, 6),
        (17, 10),
    ]


def test_cells_are_counted_apart() -> None:
    text = "Not a cell.\n\n| `a|b` has two | One word more. And these four words |\n|---|---|\n"

    assert [(sentence.line, sentence.words) for sentence in sentences_of_cells(Path("page.md"), text)] == [
        (3, 3),
        (3, 3),
        (3, 4),
    ]


MODULE = '''"""First line. Second sentence here."""

class Room:
    """A room that
    goes on."""

    def door(self) -> None:
        """Open it.

        Raises OSError: it
        is locked.
        """
        _ = """this is no docstring at all"""
'''


def test_docstrings_are_counted_and_other_texts_are_not() -> None:
    found = sentences_of_module(Path("room.py"), MODULE)

    assert sorted((sentence.line, sentence.words) for sentence in found) == [
        (1, 2),
        (1, 3),
        (4, 5),
        (8, 2),
        (10, 5),
    ]


def page_of(*counts: int) -> list[Sentence]:
    """Sentences with so many words each, a line each."""
    return [Sentence(ROOT / "page.md", line, "word " * count) for line, count in enumerate(counts, start=1)]


@pytest.mark.parametrize(
    ("counts", "plain"),
    [
        pytest.param([16, 16], True, id="the average at its limit"),
        pytest.param([16, 17], False, id="the average over its limit"),
        pytest.param([30, 2], True, id="a sentence of 30 words is not long"),
        pytest.param([31] + [2] * 20, True, id="1 long sentence of 21"),
        pytest.param([31] + [2] * 19, False, id="1 long sentence of 20 is 5%"),
    ],
)
def test_the_limits(counts: list[int], plain: bool) -> None:
    assert measure(page_of(*counts)).plain is plain


def test_the_complaint_names_the_longest_five_and_where_they_are() -> None:
    lines = complaint(page_of(3, 40, 2, 5, 33, 4, 6)).splitlines()

    assert lines[0].startswith("13.3 words a sentence (at most 16), 28.6% over 30 words (under 5%). Cut these")
    assert [line.split(" words:")[0] for line in lines[1:]] == [
        "page.md:2: 40",
        "page.md:5: 33",
        "page.md:7: 6",
        "page.md:4: 5",
        "page.md:6: 4",
    ]
