"""Comparing texts without regard to case, in SQL, as Unicode folds case (Unicode Standard §5.18)."""

import duckdb

from bluelake.lake.query import quote

# How many letters at the beginning of a regular expression are enough to make RE2 fast.
_FAST_LENGTH = 3
# No letter past this code point has case.
_LAST_CASED = 0x1F000


class Folding:
    """Unicode's full case folding, as SQL over DuckDB's simple `lower`.

    Two texts are equal but for case where their `fold` is. DuckDB lowers character by character, so that only what
    it lowers to something else than the folding does (sharp s, final sigma, ligatures, …) needs care, and of that only
    what can take part in an occurrence of the needle at hand.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        cased = [c for c in map(chr, range(_LAST_CASED)) if c.casefold() != c or c.lower() != c]
        # As literals: a list among the parameters makes DuckDB import pandas where it is installed, for half a second.
        pairs = ", ".join(f"({quote(c)}, {quote(c.casefold())})" for c in cased)
        lowered = connection.execute(f"SELECT lower(c), lower(f) FROM (VALUES {pairs}) AS t(c, f)").fetchall()
        self._fold = {c: fold for c, (_, fold) in zip(cased, lowered, strict=True)}
        self._wrong = {c: low for c, (low, fold) in zip(cased, lowered, strict=True) if low != fold}
        self._variants: dict[str, set[str]] = {}
        for c, fold in self._fold.items():
            if fold != c and len(fold) == 1:
                self._variants.setdefault(fold, set()).add(c)

    def fold(self, text: str) -> str:
        """`text` folded."""
        return "".join(self._fold.get(c, c) for c in text)

    def folded_sql(self, expression: str, needle: str) -> str:
        """SQL that folds `expression` as far as an occurrence of the folded `needle` can depend on it."""
        for c in sorted(self._expanding_in(needle) | self._wrong_for(needle)):
            expression = f"replace({expression}, {quote(c)}, {quote(self._fold[c])})"
        return f"lower({expression})"

    def contains_sql(self, column: str, needle: str, name: str) -> tuple[str, dict[str, str]]:
        """A condition that the folded `needle` occurs in the folded `column`, and its parameters, named after `name`.

        Where the needle begins with ASCII a regular expression takes half the time of `lower`. Neither can say that one
        character stands for two, nor does either know the rarest variants: texts that hold one of those are compared
        exactly.
        """
        rare, variants = self._expanding_in(needle), self._variants_of(needle)
        if not rare and not variants:
            return f"contains({column}, ${name})", {name: needle}
        parameters = {name: needle}
        begins = needle[:_FAST_LENGTH]
        if begins.isascii():
            # RE2 is fast as long as the pattern begins with plain letters in either case.
            rare |= {c for c in self._variants_of(begins) if not c.isascii()}
            pattern = "".join(map(self._ascii_pattern, begins)) + "".join(map(self._pattern, needle[_FAST_LENGTH:]))
            condition = f"regexp_matches({column}, ${name}_pattern)"
            parameters[f"{name}_pattern"] = pattern
        else:
            rare |= self._wrong_for(needle)
            condition = f"contains(lower({column}), ${name})"
        if not rare:
            return condition, {key: value for key, value in parameters.items() if f"${key})" in condition}
        maybe = " OR ".join(f"contains({column}, {quote(c)})" for c in sorted(rare))
        # Unlike OR, CASE leaves the dear part to the rows that need it.
        exact = f"contains({self.folded_sql(column, needle)}, ${name})"
        return f"CASE WHEN {maybe} THEN {exact} ELSE {condition} END", parameters

    def prefilter_pattern(self, needle: str) -> str:
        """A regular expression with a match in every text whose folding holds the folded `needle`, and in few others."""
        pattern = "".join(map(self._pattern, needle))
        rare = self._expanding_in(needle)
        return f"{pattern}|[{''.join(sorted(rare))}]" if rare else pattern

    def _variants_of(self, text: str) -> set[str]:
        """Characters that fold to one of `text` without being it."""
        return {c for x in set(text) for c in self._variants.get(x, ())}

    def _wrong_for(self, needle: str) -> set[str]:
        """Characters that `lower` leaves unequal to one of `needle` that they fold to, or makes equal to one that they
        do not."""
        present = set(needle)
        return {c for c, low in self._wrong.items() if present & {*low, self._fold[c]}}

    def _expanding_in(self, needle: str) -> set[str]:
        """Characters that fold to several, some of which can be part of an occurrence of `needle`."""
        return {
            c
            for c, fold in self._fold.items()
            if len(fold) > 1
            and (
                fold in needle
                or needle in fold
                or any(needle.startswith(fold[i:]) or needle.endswith(fold[:i]) for i in range(1, len(fold)))
            )
        }

    def _ascii_pattern(self, x: str) -> str:
        return f"[{x}{x.upper()}]" if x.isalpha() else f"\\x{{{ord(x):x}}}"

    def _pattern(self, x: str) -> str:
        if x in self._variants:
            return f"[{x}{''.join(sorted(self._variants[x]))}]"
        return self._ascii_pattern(x) if x.isascii() else x
