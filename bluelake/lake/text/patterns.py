"""Regular expressions that find, among raw texts, those whose canonical form can hold a canonical needle.

They let through too much rather than too little: `canonical` decides. They are made for Rust's regex crate, as Polars has it,
which is fast only where it can look for a few literals first. So one character of the needle is the anchor. A first pattern
begins with its usual variants, a second one with the rare ones. Both go on with what follows the anchor.

A character's skeleton is its canonical form without marks and without what is invisible. Skeletons can be joined: that of a
text is that of its characters. Only starters that compose, as Hangul's do, need more: see `_composing`.
"""

import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from bluelake.lake.text.canonical import REPLACED, canonical
from bluelake.lake.text.characters import FORMING, STYLED_EMOJI

# Rust's regex takes no literals from a larger class.
_LITERALS = 8
# How many characters behind the anchor a pattern looks at, with a usual and with a rare variant of the anchor.
_REST, _RARE_REST = 8, 2
# At least so many characters of the needle follow the anchor, if it has them.
_FOLLOWING = 3
# The later, the rarer in the texts that people write.
_RARITY = {c: rank for rank, c in enumerate(" etaoinsrhldcumf.,pgw/:'ybv-0123456789kxjqz")}
# Characters without decomposition and case that have another canonical form all the same.
_CHANGED = frozenset(map(chr, REPLACED)) | FORMING | STYLED_EMOJI
# Canonical as they are, without marks, and no part of others: Han, Hangul, private use, unassigned planes.
_ORDINARY = (
    *((0x3400, 0x4DC0), (0x4E00, 0xA640), (0xAC00, 0xF900), (0x12000, 0x16000), (0x17000, 0x1BC00), (0x20000, 0x2F800)),
    *((0x30000, 0xE0000), (0xF0000, 0x110000)),
)


@dataclass(frozen=True)
class _Unit:
    """One character of the needle's skeleton. `marked`: marks belong to it, so that they may stand behind it."""

    character: str
    marked: bool


@dataclass(frozen=True)
class _Variants:
    """The characters with a skeleton that is not the character itself.

    `skeletons`, `forms`: by character. `singles`, `wides`: those with this character as their skeleton, and with a longer
    skeleton that holds it. `invisible`, `marks`: those with an empty skeleton.
    """

    skeletons: dict[str, str]
    forms: dict[str, str]
    singles: dict[str, list[str]]
    wides: dict[str, list[str]]
    invisible: str
    marks: str


def patterns(needle: str) -> list[str]:
    """Regular expressions of which at least one has a match in each text whose canonical form holds `needle`.

    `needle` is canonical and not empty.
    """
    units = list(_units(needle))
    variants = _variants()
    if not units:
        mark = next(c for c in needle if c not in FORMING)
        return [_class(c for c, form in variants.forms.items() if mark in unicodedata.normalize("NFD", form))]
    number = _anchor(units)
    anchor, following = units[number], units[number:]
    singles, wides = _singles(anchor), variants.wides.get(anchor.character, [])
    usual = [c for c in singles if c.isascii()] or singles[:_LITERALS]
    rare = [c for c in singles if c not in usual]
    first = _sequence(following[: 1 + _REST], usual)
    # Optional tails keep the classes apart, which the regex crate would make one of too many literals.
    rest = [_sequence(following[: 1 + _RARE_REST], part) for part in _parts(rare)]
    rest += [f"{_class(part)}a*" for part in _parts(wides)]
    rest += [pattern for c in dict.fromkeys(needle) for pattern in _composing(c)]
    return [first, "|".join(rest)] if rest else [first]


def _units(needle: str) -> Iterator[_Unit]:
    """The skeleton of `needle`; of several blanks only one can be there."""
    pending: str | None = None
    marked = False
    for c in needle:
        skeleton = _skeleton(c)
        if not skeleton:
            marked = marked or c not in FORMING
            continue
        if pending is not None:
            yield _Unit(pending, marked)
        pending, marked = skeleton, skeleton != c
    if pending is not None:
        yield _Unit(pending, marked)


def _anchor(units: list[_Unit]) -> int:
    """The place of the character of which texts hold a variant least often."""
    last = max(len(units) - 1 - _FOLLOWING, 0)
    return max(range(last + 1), key=lambda number: _rarity(units[number]))


def _rarity(unit: _Unit) -> tuple[bool, int]:
    rank = _RARITY.get(unit.character, len(_RARITY))
    return len(_singles(unit)) <= 7 * _LITERALS, rank


def _sequence(units: list[_Unit], firsts: Iterable[str]) -> str:
    """`units` one behind the other, the first as one of `firsts`; a character with a wider skeleton ends the comparison."""
    pattern = ""
    for unit in reversed(units[1:]):
        wides = _variants().wides.get(unit.character, [])
        one = f"{_class(_singles(unit))}{_gap(unit)}{pattern}"
        pattern = f"(?:{one}|{_class(wides)})" if wides else one
    return f"{_class(firsts)}{_gap(units[0])}{pattern}"


def _singles(unit: _Unit) -> list[str]:
    """The characters that can stand in a text for `unit` alone, itself first."""
    c, variants = unit.character, _variants()
    found = variants.singles.get(c, [])
    if not unit.marked:
        # One that composes with its own mark to another canonical character is never this one.
        found = [x for x in found if (form := _visible(variants.forms[x])) == c or len(form) > 1]
    return ([c] if c not in variants.forms or _skeleton_of(c) == c else []) + found


def _gap(unit: _Unit) -> str:
    variants = _variants()
    skipped = variants.invisible + (variants.marks if unit.marked else "")
    skipped += "".join(_singles(unit)) if unit.character == " " else ""
    return f"{_class(skipped)}*"


def _composing(c: str) -> Iterator[str]:
    """Patterns of the pairs of starters that compose to `c`, or to a part of it."""
    parts = [x for x in unicodedata.normalize("NFD", c) if not unicodedata.combining(x)]
    for before, after in pairwise(parts):
        yield f"{_class(_ending(before))}{_class(_variants().invisible)}*{_class(_beginning(after))}"


def _ending(starter: str) -> set[str]:
    """The characters whose canonical form, decomposed, ends with `starter`."""
    forms = _variants().forms.items()
    ending = {starter} | {c for c, form in forms if (parts := _starters(form)) and parts[-1] == starter}
    if "\u1161" <= starter <= "\u1175":
        vowel = ord(starter) - 0x1161
        ending |= {chr(0xAC00 + (lead * 21 + vowel) * 28) for lead in range(19)}
    return ending


def _beginning(starter: str) -> set[str]:
    forms = _variants().forms.items()
    return {starter} | {c for c, form in forms if (parts := _starters(form)) and parts[0] == starter}


def _starters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", _visible(text)) if not unicodedata.combining(c))


def _visible(text: str) -> str:
    return "".join(c for c in text if c not in FORMING)


def _skeleton(form: str) -> str:
    """The skeleton of a canonical text: without marks and what is invisible; starters that compose stay composed."""
    bare = "".join(c for c in unicodedata.normalize("NFD", _visible(form)) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", bare)


def _skeleton_of(c: str) -> str:
    return _variants().skeletons.get(c, c)


@cache
def _variants() -> _Variants:
    skeletons: dict[str, str] = {}
    forms: dict[str, str] = {}
    singles: dict[str, list[str]] = {}
    wides: dict[str, list[str]] = {}
    for c in _characters():
        is_bare = not unicodedata.decomposition(c) and not unicodedata.combining(c)
        if is_bare and c.casefold() == c and c not in _CHANGED:
            continue
        form = canonical(c)
        skeleton = _skeleton(form)
        if skeleton == c == form:
            continue
        forms[c], skeletons[c] = form, skeleton
        if len(skeleton) > 1 or (skeleton and unicodedata.combining(c)):
            # A mark that becomes a letter changes its place among the marks around it.
            for part in set(skeleton):
                wides.setdefault(part, []).append(c)
        elif skeleton and skeleton != c:
            singles.setdefault(skeleton, []).append(c)
    empty = [c for c, skeleton in skeletons.items() if not skeleton]
    invisible = "".join(c for c in empty if not _visible(forms[c]))
    marks = "".join(c for c in empty if _visible(forms[c]))
    return _Variants(skeletons, forms, singles, wides, invisible, marks)


def _characters() -> Iterator[str]:
    """Every character but those of which none is a variant of another."""
    begin = 0
    for first, end in _ORDINARY:
        yield from map(chr, range(begin, first))
        begin = end
    yield from map(chr, range(begin, sys.maxunicode + 1))


def _parts(characters: list[str]) -> Iterator[list[str]]:
    return (characters[i : i + _LITERALS] for i in range(0, len(characters), _LITERALS))


def _class(characters: Iterable[str]) -> str:
    """A class of `characters`, of which there is at least one."""
    ranges: list[list[int]] = []
    for code in sorted(set(map(ord, characters))):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join(_range(first, last) for first, last in ranges) + "]"


def _range(first: int, last: int) -> str:
    return rf"\x{{{first:x}}}" if first == last else rf"\x{{{first:x}}}-\x{{{last:x}}}"
