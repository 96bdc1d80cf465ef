"""Tags: which a text holds by the client's rule, how they are spelled, and what makes spellings one tag."""

import pytest

from bluelake.lake.text import tag_key, tags_of

# As detectFacets of @atproto/api 0.19.19 finds them; `##double` is `#double` there, whose sign this lake leaves out.
IN_TEXTS = [
    ("plain", []),
    ("#one and #Two, #one #ONE", ["one", "Two"]),
    ("#zug-ausfall #C++ #AT&T #it's #a.b.c #rest/api", ["zug-ausfall", "C++", "AT&T", "it's", "a.b.c", "rest/api"]),
    ("#2024wahl #19 #1 #1a", ["2024wahl", "1a"]),
    ('(#not) "#not" no#tag #yes!?', ["yes"]),
    ("##double", ["double"]),
    ("#abc#def", ["abc#def"]),
    ("x\u3000＃全角\u00a0#日本語タグ", ["全角", "日本語タグ"]),
    ("#naïve #नमस्ते #don’t", ["naïve", "नमस्ते", "don’t"]),
    ("#🍎 #👍🏽x #\ufe0f\u20e3 keycap", ["🍎", "👍🏽x"]),
    # The client ends a tag at a joiner, whatever the script.
    ("#می\u200cخواهم", ["می"]),
    ("#👨\u200d👩\u200d👧", ["👨"]),
    ("#... #!!! # #", []),
    ("#" + "a" * 64 + " #" + "b" * 65, ["a" * 64]),
    # The length counts code units of UTF-16.
    ("#" + "🍎" * 32 + " #" + "🍏" * 33, ["🍎" * 32]),
    ("#٣ #１", ["٣", "１"]),
    ("a\x1c#b a\u0085#c a\ufeff#d", ["d"]),
    ("$tsla falls, ($AAPL) rises; $50 $toolong x$no #$USD", ["$USD", "$TSLA", "$AAPL"]),
]


@pytest.mark.parametrize(("text", "tags"), IN_TEXTS, ids=lambda value: ascii(value)[:40])
def test_tags_in_a_text(text: str, tags: list[str]) -> None:
    assert tags_of([], text)[0] == tags


@pytest.mark.parametrize(
    ("stated", "spelled", "keys"),
    [
        (["#Klimakrise", "klimakrise", "＃KLIMAKRISE"], ["Klimakrise"], ["klimakrise"]),
        ([" Wahlkrimi ", "Wahlkrimi."], ["Wahlkrimi"], ["wahlkrimi"]),
        (["\u2060#Wahl\u200bkrimi"], ["Wahl\u200bkrimi"], ["wahlkrimi"]),
        (["e\u0301lection", "ÉLECTION"], ["e\u0301lection"], ["élection"]),
        (["C#", "C++"], ["C#", "C++"], ["c", "c++"]),
        (["#\ufe0f\u20e3"], ["#\ufe0f\u20e3"], ["#\ufe0f\u20e3"]),
        (["!!!"], ["!!!"], ["!!!"]),
        (["two  words"], ["two  words"], ["two words"]),
        (["\u200b", " ", "#", "\u2800", "＃#", "\u3164", "real"], ["real"], ["real"]),
        (["Straße", "STRASSE"], ["Straße"], ["strasse"]),
        (["x" * 70_000], ["x" * 70_000], ["x" * 70_000]),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_stated_tags(stated: list[str], spelled: list[str], keys: list[str]) -> None:
    assert tags_of(stated, "#unstated") == (spelled, keys)


def test_the_text_counts_where_nothing_visible_is_stated() -> None:
    assert tags_of(["\u200b", "#"], "a #tag") == (["tag"], ["tag"])


def test_a_key_is_its_own() -> None:
    for tag in ("#Klimakrise.", "C#", "!!!", "#\ufe0f\u20e3", "क्\u200d.", "a´", " # x – ", "Don’t!"):
        assert tag_key(tag_key(tag)) == tag_key(tag), tag
