"""The patterns let through whatever can match, as Polars uses them."""

import random
import unicodedata
from collections.abc import Sequence

import polars as pl
import pytest

from bluelake.lake.text import canonical, patterns
from tests.support.characters import assigned


def found(texts: Sequence[str], needle: str) -> list[bool]:
    """In which of `texts` one of the patterns of `needle` has a match."""
    column = pl.DataFrame({"text": texts})
    matches = [pl.col("text").str.contains(pattern) for pattern in patterns(needle)]
    return column.select(pl.any_horizontal(matches))["text"].to_list()


def test_a_pattern_finds_what_reads_alike_and_little_else() -> None:
    texts = ["Wahl\u200bkrimi", "WAHLKRIMI", "ｗａｈｌｋｒｉｍｉ", "𝐖𝐚𝐡𝐥𝐤𝐫𝐢𝐦𝐢", "wahlkrim", "wahlgrimi"]
    assert found(texts, "wahlkrimi") == [True, True, True, True, False, False]
    assert found(["a (b).*", "a b", "a (b)xx"], "(b).*") == [True, False, False]
    assert found(["a \u200b\u3000 b", "ab", "a  b"], "a b") == [True, False, True]
    assert found(["Straße", "strase", "STRASSE"], "ss") == [True, False, True]
    assert found(["가", "\u1100\u1161", "ㄱㅏ", "각", "ㅋㅋ"], "가") == [True, True, True, False, False]


def test_every_character_is_found_by_its_form_alone_and_between_letters() -> None:
    """By the form of all others that have the same one: few needles for many texts."""
    by_form: dict[str, list[str]] = {}
    for c in assigned():
        form = canonical(c)
        if form != c and form.strip():
            by_form.setdefault(form, []).append(c)
    lost = []
    for number, (form, characters) in enumerate(by_form.items()):
        texts = [text for c in characters for text in (c, f"x{c}y")]
        needles = {form} if number % 25 else {form, f"x{form}", f"{form}y", form[:1], form[-1:]}
        for needle in {canonical(needle) for needle in needles} - {"", " "}:
            for text, is_found in zip(texts, found(texts, needle), strict=True):
                if needle in canonical(text) and not is_found:
                    lost.append((ascii(text), ascii(needle)))
    assert lost == []


def _pools() -> list[list[str]]:
    """Characters that are close to each other, so that texts of them compose, fold and expand."""
    everything = assigned()
    return [
        [c for c in everything if canonical(c) != c],
        [c for c in everything if len(unicodedata.normalize("NFD", c)) > 1 and not "가" <= c <= "힣"],
        list("abckfisxyz .-'#1é"),
        list("\u200b\u200c\u200d\ufe0f\u00ad\u2060 \u3000\u0301\u0323\u0345\u0308\u3099\u309a"),
        list("ㄱㅏ각ㄳ가각ㅋ㈀ㅠ감\u1100\u1161\u11a8"),
        list("\u09c7\u09be\u09d7\u09cb\u0dd9\u0dcf\u0dca\u0ddd\u0915\u093c\u0958\u094d\u0bc6\u0bbe"),
        list("αάᾳίι\u0345\u0301\u0313ΑΣς"),
        list("カガｶﾞﾊﾟ゛ハ\u3099"),
        list("👨👩🏽❤♂☝🏴1#\u200d\ufe0f\u20e3\U000e0067\U000e007f"),
        everything,
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_random_texts_are_found_by_parts_of_their_form(seed: int) -> None:
    draw, pools, matches = random.Random(seed), _pools(), 0
    for _ in range(30):
        few = [draw.choice(pools) for _ in range(draw.randint(1, 3))]
        texts = ["".join(draw.choice(draw.choice(few)) for _ in range(draw.randint(1, 9))) for _ in range(25)]
        forms = [canonical(text) for text in texts]
        for form in forms:
            start = draw.randrange(max(len(form), 1))
            needle = canonical(form[start : start + draw.randint(1, 5)])
            if not needle.strip():
                continue
            for text, other, is_found in zip(texts, forms, found(texts, needle), strict=True):
                matches += needle in other
                assert is_found or needle not in other, (ascii(text), ascii(needle))
    assert matches > 500
