"""The canonical form of a text: texts that read alike have one. Storing a tag's key, searching and ranking use this one.

Unicode's compatibility form and case folding (NFKC), no character that nobody sees, one apostrophe, one dash, one blank
for any run of white space. Joiners and variation selectors stay where an emoji or a script needs them.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from bluelake.lake.text.characters import (
    APOSTROPHES,
    DASHES,
    EMOJI_STYLE,
    FORMING,
    INVISIBLE,
    JOINS_NEXT,
    JOINS_PREVIOUS,
    KEYCAP,
    KEYCAP_BASES,
    MONGOLIAN_FORMS,
    MONGOLIAN_LETTERS,
    PICTOGRAPHIC,
    SKIN_TONES,
    STYLED_EMOJI,
    TAG_BASE,
    TAG_CHARACTERS,
    TAG_END,
    VIRAMA_CLASS,
    WHITE_SPACE,
    ZWJ,
    ZWNJ,
)

REPLACED: dict[int, str | None] = {
    **{ord(c): None for c in INVISIBLE - FORMING},
    **{ord(c): "'" for c in APOSTROPHES},
    **{ord(c): "-" for c in DASHES},
    **{ord(c): " " for c in WHITE_SPACE},
}
_ASCII_REPLACED = {code: to for code, to in REPLACED.items() if code < 0x80}
_ASCII_ODD = re.compile(r"[\x00-\x1f\x7f]|  ")
_BLANKS = re.compile(" {2,}")
# More marks on one letter than any script has (UAX #15, Stream-Safe Text). Python sorts them in quadratic time.
_MOST_MARKS = 30
# The longest post that the network's lexicon allows has 3,000 bytes.
_LONG = 3_000
# How many marks may stand between a letter and a joiner.
_MARKS_BETWEEN = 8
_FORMED = re.compile(f"[{''.join(sorted(FORMING | STYLED_EMOJI))}{KEYCAP}]")


def canonical(text: str) -> str:
    """The canonical form of `text`. A canonical text is its own, and equal texts in Unicode's eyes have the same."""
    if text.isascii():
        if not _ASCII_ODD.search(text):
            return text.lower()
        return _BLANKS.sub(" ", text.translate(_ASCII_REPLACED)).lower()
    if len(text) > _LONG:
        text = _few_marks().sub(r"\1", text)
    before = None
    # Whatever is removed may bring together characters that compose.
    while text != before:
        before, text = text, _step(text)
    return text


@cache
def _few_marks() -> re.Pattern[str]:
    marks = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.combining(c))
    return re.compile(f"([{marks}]{{{_MOST_MARKS}}})[{marks}]+")


def _step(text: str) -> str:
    # Decomposed first: the folding of U+0345 depends on the order of marks.
    folded = unicodedata.normalize("NFD", text).translate(REPLACED).casefold()
    composed = unicodedata.normalize("NFKC", folded)
    if _FORMED.search(composed):
        composed = "".join(_formed(composed))
    return _BLANKS.sub(" ", composed)


def _formed(text: str) -> Iterator[str]:
    """The characters of `text` with the joiners, selectors and tags that an emoji or a script needs, and no others."""
    places = [i for i, c in enumerate(text) if c not in FORMING]
    kept = [text[i] for i in places]
    for number, c in enumerate(kept):
        following = kept[number + 1] if number + 1 < len(kept) else ""
        between = text[places[number] + 1 : places[number + 1] if following else None]
        yield c
        if (c in STYLED_EMOJI and following not in SKIN_TONES) or (c in KEYCAP_BASES and following == KEYCAP):
            # With the selector and without it readers see the same emoji.
            yield EMOJI_STYLE
        if between:
            yield _needed(between, kept, number)


def _needed(between: str, kept: Sequence[str], number: int) -> str:
    """What of `between`, invisible characters behind the visible character `kept[number]`, an emoji or a script needs."""
    c, following = kept[number], kept[number + 1] if number + 1 < len(kept) else ""
    if c == TAG_BASE and TAG_END in between:
        tags = "".join(x for x in between if x in TAG_CHARACTERS)
        return tags + TAG_END if tags else ""
    if c in MONGOLIAN_LETTERS:
        return "".join(x for x in between if x in MONGOLIAN_FORMS)[:1]
    if ZWJ in between and following in PICTOGRAPHIC and (c in PICTOGRAPHIC or _is_toned(kept, number)):
        return ZWJ
    joiners = "".join(x for x in between if x in (ZWJ, ZWNJ))[:1]
    if joiners and (_is_virama(c) or _is_virama(following)):
        return joiners
    return ZWNJ if ZWNJ in between and _joins(kept, number) else ""


def _is_toned(kept: Sequence[str], number: int) -> bool:
    return kept[number] in SKIN_TONES and number > 0 and kept[number - 1] in PICTOGRAPHIC


def _is_virama(c: str) -> bool:
    return c != "" and unicodedata.combining(c) == VIRAMA_CLASS


def _joins(kept: Sequence[str], number: int) -> bool:
    """Whether the letters around the place behind the character `kept[number]` would join; marks do not part letters."""
    before = reversed(kept[max(number - _MARKS_BETWEEN, 0) : number + 1])
    after = kept[number + 1 : number + 2 + _MARKS_BETWEEN]
    return _letter(before) in JOINS_NEXT and _letter(after) in JOINS_PREVIOUS


def _letter(characters: Iterable[str]) -> str:
    """The first of `characters` that is no mark."""
    return next((c for c in characters if unicodedata.category(c) != "Mn"), "")
