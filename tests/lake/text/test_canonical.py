"""The canonical form: texts that read alike have one, and others do not."""

import random
import unicodedata

import pytest

from bluelake.lake.text import canonical
from tests.support.characters import assigned

# Each of these reads like the others of its line.
ALIKE = [
    (
        "wahlkrimi",
        "Wahl\u200bkrimi",
        "WAHLKRIMI\u200d",
        "\u2060Wahlkrimi",
        "Wahlkrimi\ufe0f",
        "Wahl\u00adkrimi",
        "\ufeffwahlkrimi",
    ),
    (
        "wahlkrimi",
        "\u202awahlkrimi\u202c",
        "wahl\u200e\u200fkrimi",
        "\u2067wahlkrimi\u2069",
        "wahl\u034fkrimi",
        "wahl\0krimi",
    ),
    ("wahlkrimi", "wahl\u200ckrimi", "wahl\U000e0101krimi", "wahl\U000e0061krimi", "wahl\u3164krimi", "wahl\x7fkrimi"),
    ("café zürich ångström", "cafe\u0301 Zu\u0308rich A\u030angstro\u0308m", "cafe\u200b\u0301 zürich \u212bngström"),
    ("パリ", "ハ\u309aリ", "ﾊﾟﾘ", "ハ\u200d\u309aリ"),
    ("감사합니다", "\u1100\u1161\u11b7\u1109\u1161\u1112\u1161\u11b8\u1102\u1175\u1103\u1161", "가\u11b7사합니다"),
    ("abcニュース", "ＡＢＣニュース", "ａｂｃﾆｭｰｽ"),
    ("1番 株式会社", "①番 ㍿", "１番\u3000㍿"),
    ("strasse", "Straße", "STRASSE", "STRAẞE"),
    ("office fluss", "oﬃce ﬂuss", "OFFICE FLUSS"),
    ("σίσυφοσ", "ΣΊΣΥΦΟΣ", "σίσυφος"),
    ("αι", "ᾼ", "ᾳ", "α\u0345"),
    ("don't 'n", "don’t ‘n", "don´t 'n", "donʼt ‛n", "don＇t ′n"),
    ("a-b", "a‐b", "a‑b", "a–b", "a—b", "a−b", "a－b", "a﹣b", "a―b"),
    (
        "a b c",
        "a \t\r\n b\u3000\u3000c",
        "a\u00a0b\u2003c",
        "a\u202fb\u205fc",
        "a\u1680 \u2028b\u2029c",
        "a\u2800b \u200b c",
        "a\u0085b c",
    ),
    ("i\u0307stanbul", "İstanbul", "İSTANBUL"),
    ("❤\ufe0f", "❤", "❤\ufe0e"),
    ("1\ufe0f\u20e3", "1\u20e3"),
    ("🏳\ufe0f\u200d🌈", "🏳\u200d🌈"),
    ("☝🏽", "☝\ufe0f🏽"),
    ("🍎", "🍎\ufe0f", "🍎\u200d"),
    ("葛城", "葛\U000e0100城"),
    ("کارها", "کار\u200cها"),
]
# Joiners and selectors that an emoji or a script needs.
KEPT = [
    "👨\u200d👩\u200d👧",
    "👩🏽\u200d🚒",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "❤\ufe0f\u200d🔥",
    "#\ufe0f\u20e3",
    "می\u200cخواهم",
    "क्\u200dष",
    "क्\u200cष",
    "र\u200d्य",
    "ශ්\u200dරී",
    "ᠠ\u180b",
    "🇩🇪🇫🇷",
    "ـكتاب",
]


@pytest.mark.parametrize("texts", ALIKE, ids=lambda texts: ascii(texts[0]))
def test_texts_that_read_alike_have_one_form(texts: tuple[str, ...]) -> None:
    assert [ascii(canonical(text)) for text in texts] == [ascii(texts[0])] * len(texts)


@pytest.mark.parametrize("text", KEPT, ids=ascii)
def test_joiners_stay_where_they_are_needed(text: str) -> None:
    assert ascii(canonical(text)) == ascii(text)


def test_emoji_and_words_that_differ_by_a_joiner_differ() -> None:
    for text in ("👨\u200d👩\u200d👧", "می\u200cخواهم", "क्\u200dष", "ᠠ\u180b"):
        assert canonical(text) != canonical(text.replace("\u200d", "").replace("\u200c", "").replace("\u180b", ""))


def test_an_empty_or_invisible_text_is_empty() -> None:
    assert [canonical(text) for text in ("", "\u200b\u2060", "\ufe0f", "\u200d", "\u115f\u3164")] == [""] * 5
    assert canonical(" \u2800\t") == " "


def test_every_character_has_one_form_however_it_is_encoded() -> None:
    wrong = []
    for c in assigned():
        form = canonical(c)
        spelled = {canonical(unicodedata.normalize(name, c)) for name in ("NFC", "NFD")}
        if spelled != {form} or canonical(form) != form or not unicodedata.is_normalized("NFKC", form):
            wrong.append(ascii(c))
    assert wrong == []


@pytest.mark.parametrize("seed", [1, 2])
def test_a_canonical_text_is_its_own(seed: int) -> None:
    draw = random.Random(seed)
    odd = [c for c in assigned() if canonical(c) != c]
    for _ in range(3_000):
        text = "".join(draw.choice(odd) for _ in range(draw.randint(1, 8)))
        form = canonical(text)
        assert canonical(form) == form, ascii(text)
        assert canonical(unicodedata.normalize("NFD", text)) == form, ascii(text)


@pytest.mark.parametrize(
    "text", ["e\u0301\u0323" * 50_000, "e" + "\u0301\u0323" * 50_000, "م\u064e\u200c" * 50_000], ids=len
)
def test_a_hostile_text_costs_as_much_as_it_is_long(text: str) -> None:
    """Sorting so many marks, or looking past them at each joiner, would take minutes."""
    form = canonical(text)
    assert canonical(form) == form
