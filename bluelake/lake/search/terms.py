"""What a search asks for, and what of it a post's own columns decide."""

from dataclasses import dataclass

from bluelake.lake.errors import LakeError
from bluelake.lake.query import BEGINNING_US, END_US
from bluelake.lake.search.folding import Folding

MAX_TEXT = 1_000
# The longest words; shorter ones leave out little more.
_PREFILTER_WORDS = 4


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
    """What a query asks of a post's own columns: `did`, `text` and `hashtags`.

    `condition`: SQL, with its `parameters`. `prefilter`: regular expressions with a match in every text that meets the condition;
    none where DuckDB alone has less to read, by the files' statistics of an author, or by a hashtag, which few posts have.
    """

    def __init__(self, query: SearchQuery, did: str | None, folding: Folding) -> None:
        conditions: list[str] = ["true"]
        self.parameters: dict[str, str] = {}
        self.prefilter: list[str] = []
        if did is not None:
            conditions.append("(did = $did)")
            self.parameters["did"] = did
        words, tags = _wanted(query, folding)
        for i, tag in enumerate(tags):
            folded = f"list_transform(hashtags, lambda tag: {folding.folded_sql('tag', tag)})"
            conditions.append(f"len(hashtags) > 0 AND list_contains({folded}, $t{i})")
            self.parameters[f"t{i}"] = tag
        for i, word in enumerate(words):
            condition, bound = folding.contains_sql("text", word, f"w{i}")
            conditions.append(condition)
            self.parameters.update(bound)
        self.condition = " AND ".join(conditions)
        if did is None and not tags:
            self.prefilter = [folding.prefilter_pattern(word) for word in words[:_PREFILTER_WORDS]]


def _wanted(query: SearchQuery, folding: Folding) -> tuple[list[str], list[str]]:
    """The words, the longest first, and the hashtags that have to occur, folded. A word within another one is implied
    by it."""
    if query.exact:
        return ([folding.fold(query.text)] if query.text.strip() else []), []
    words = query.text.split()
    tags = {folding.fold(word[1:]) for word in words if word[0] in "#＃" and len(word) > 1}
    plain = {folding.fold(word) for word in words if word[0] not in "#＃" or len(word) == 1}
    longest = [word for word in plain if not any(word in other for other in plain if other != word)]
    return sorted(longest, key=lambda word: (-len(word), word)), sorted(tags)
