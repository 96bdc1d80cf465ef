"""What a search asks for, and what of it a post's own columns decide."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from bluelake.lake.errors import LakeError
from bluelake.lake.query import BEGINNING_US, END_US
from bluelake.lake.text import EMOJI_STYLE, canonical, patterns, tag_key

MAX_TEXT = 1_000
# The longest words; shorter ones leave out little more.
_PREFILTER_WORDS = 2
# The columns that decide whether a post matches.
ASKED = ["text", "alt_texts", "links", "hashtags", "hashtag_keys"]


class ParameterError(LakeError):
    """A parameter of a query has a value that it does not take."""

    exit_code = 2

    def __init__(self, parameter: str, value: str, reason: str) -> None:
        shown = value if len(value) <= 100 else value[:100] + "…"
        super().__init__(f"{parameter}={shown}: {reason}")
        self.parameter = parameter
        self.value = shown


@dataclass(frozen=True)
class SearchQuery:
    """What to look for; the default is every post.

    `text`: words that must all occur, `#tag` meaning a whole hashtag; with `exact` one phrase. `username`: a handle,
    with or without `@`, without a dot one of .bsky.social, or a DID. `start_us` <= event_at < `end_us`,
    microseconds since 1970. Raises ParameterError for what no text can be.
    """

    text: str = ""
    exact: bool = False
    username: str = ""
    start_us: int = BEGINNING_US
    end_us: int = END_US

    def __post_init__(self) -> None:
        for parameter, value in (("text", self.text), ("username", self.username)):
            if len(value) > MAX_TEXT:
                raise ParameterError(parameter, value, f"longer than {MAX_TEXT:,} characters")
            if "\0" in value:
                raise ParameterError(parameter, value.replace("\0", "\\0"), "holds a NUL character")
            if any("\ud800" <= character <= "\udfff" for character in value):
                shown = value.encode("utf-8", "backslashreplace").decode()
                raise ParameterError(parameter, shown, "holds half of a surrogate pair, which is no text")


class Terms:
    """What a query asks of a post's own columns.

    `words` and `tags` are in the canonical form, `did` is the author's. `patterns`: for each of the longest words, regular
    expressions of which one has a match wherever the word is.
    """

    def __init__(self, query: SearchQuery, did: str | None) -> None:
        self.did = did
        self.words, self.tags = _wanted(query)
        self.patterns = [patterns(word) for word in self.words[:_PREFILTER_WORDS]]
        self.tag_patterns = [patterns(tag) for tag in self.tags]

    @property
    def asks_texts(self) -> bool:
        """Whether only Python can tell which rows match, by `matching`."""
        return bool(self.words or self.tags)

    def matching(self, rows: pa.Table) -> pa.Table:
        """Those of `rows` that have all words and tags.

        A word is in the text, in an alternative text or in a link. A tag is whole. Rows of an earlier version have no keys.
        """
        if not self.asks_texts:
            return rows
        wanted = [self._has_tags(row) and self._has_words(row) for row in rows.select(ASKED).to_pylist()]
        return rows if all(wanted) else rows.filter(pa.array(wanted, pa.bool_()))

    def _has_words(self, row: dict[str, Any]) -> bool:
        text = canonical(row["text"] or "")
        missing = [word for word in self.words if word not in text]
        if not missing:
            return True
        others = [canonical(other) for name in ("alt_texts", "links") for other in row[name] or () if other]
        return all(any(word in other for other in others) for word in missing)

    def _has_tags(self, row: dict[str, Any]) -> bool:
        if not self.tags:
            return True
        keys = row["hashtag_keys"]
        if keys is None:
            keys = [tag_key(tag) for tag in row["hashtags"] or ()]
        return all(tag in keys for tag in self.tags)


def _wanted(query: SearchQuery) -> tuple[list[str], list[str]]:
    """The words, the longest first, and the hashtags that have to occur. A word within another one is implied by it."""
    text = canonical(query.text)
    if query.exact:
        return ([_bare(text)] if text.strip() else []), []
    tags, words = set[str](), set[str]()
    for word in text.split():
        tag = tag_key(word) if word[0] == "#" else ""
        (tags if tag else words).add(tag or _bare(word))
    longest = [word for word in words if not any(word in other for other in words if other != word)]
    return sorted(longest, key=lambda word: (-len(word), word)), sorted(tags)


def _bare(word: str) -> str:
    """`word` without a selector at its end, which a skin tone replaces."""
    return word.rstrip(EMOJI_STYLE)
