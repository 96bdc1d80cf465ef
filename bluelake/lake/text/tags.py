"""Hashtags: what counts as one, how it is spelled, and the key by which spellings are one tag.

In a text without stated tags they are found as Bluesky's own client does it (`@atproto/api` 0.19, rich-text/util.ts).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache

from bluelake.lake.text.canonical import canonical
from bluelake.lake.text.characters import INVISIBLE, WHITE_SPACE

# No punctuation has a higher code point.
_LAST_PUNCTUATION = 0x1F000
# `\s` of JavaScript, and the characters at which the client ends a tag.
_JS_SPACE = r"\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_JS_ENDS = _JS_SPACE + r"\u00ad\u2060\u200b-\u200d\u20e2"
# In code units of UTF-16.
_LONGEST = 64
_LAST_OF_ONE_UNIT = "\uffff"
# Few tags are most of what people write.
_REMEMBERED = 50_000
_WHITE_SPACE = "".join(WHITE_SPACE)
_CASHTAG = re.compile(rf"(?:^|[{_JS_SPACE}(])\$([A-Za-z][A-Za-z0-9]{{0,4}})(?=[{_JS_SPACE}]|\Z|[.,;:!?)\"'\u2019])")
# The `#` of a keycap is no sign before a tag.
_SIGNS = re.compile("(?:[ #](?!\ufe0f))*")
_UNSEEN = re.escape("".join(sorted(INVISIBLE | WHITE_SPACE)))
_SPELLED_SIGNS = re.compile(f"[{_UNSEEN}]*[#＃](?!\ufe0f)[{_UNSEEN}#＃]*")


def tag_key(tag: str) -> str:
    """The key of `tag`: its canonical form without signs before it, and punctuation and blanks behind it.

    Empty where nobody would see anything of the tag.
    """
    key = canonical(tag)
    key = key[_SIGNS.match(key).end() :].strip(" ")  # type: ignore[union-attr]
    return key.rstrip(_punctuation() + " ") or key


def tags_of(stated: Iterable[str], text: str) -> tuple[list[str], list[str]]:
    """The tags of a post as written, and their keys: those that it states, else those in its `text`.

    Of several spellings with one key the first stays. A tag of which nobody sees anything is none.
    """
    found = _by_key(stated) or _by_key(tags_in(text))
    return list(found.values()), list(found)


def _by_key(tags: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for tag in tags:
        key, spelling = _key_and_spelling(tag) if len(tag) <= _LONGEST else (tag_key(tag), _spelling(tag))
        if key:
            found.setdefault(key, spelling)
    return found


@lru_cache(_REMEMBERED)
def _key_and_spelling(tag: str) -> tuple[str, str]:
    return tag_key(tag), _spelling(tag)


def tags_in(text: str) -> Iterator[str]:
    """The tags that the client would find in `text`: after `#` or `＃`, then after `$`."""
    if "#" in text or "＃" in text:
        for match in _hashtag().finditer(text):
            tag = match[1].rstrip(_punctuation()) if match[1] else ""
            if tag and len(tag) + sum(c > _LAST_OF_ONE_UNIT for c in tag) <= _LONGEST:
                yield tag
    if "$" in text:
        for match in _CASHTAG.finditer(text):
            yield f"${match[1].upper()}"


def _spelling(tag: str) -> str:
    """`tag` as its author wrote it, without signs and blanks around it."""
    signs = _SPELLED_SIGNS.match(tag)
    return tag[signs.end() if signs else 0 :].strip(_WHITE_SPACE)


@cache
def _punctuation() -> str:
    """Every character of the categories P."""
    return "".join(c for c in map(chr, range(_LAST_PUNCTUATION)) if unicodedata.category(c).startswith("P"))


@cache
def _hashtag() -> re.Pattern[str]:
    part = f"[^{_JS_ENDS}]*"
    needed = f"[^0-9{_JS_ENDS}{re.escape(_punctuation())}]+"
    return re.compile(f"(?:^|[{_JS_SPACE}])[#＃]((?!\ufe0f){part}{needed}{part})?")
