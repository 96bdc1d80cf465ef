"""Cases 01, 02, 03, 03b, 12 and 14, and their kinds: texts that read alike are one, and what a post says is found."""

from collections.abc import Mapping

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.drain import drain
from bluelake.lake.search import Searcher, SearchQuery
from tests.support.buffers import feed
from tests.support.frames import POST, commit_frame
from tests.support.lakes import rows
from tests.support.paths import case_frames


class Drained:
    """The posts of `frames`, drained into a lake."""

    def __init__(self, buffer: Buffer, settings: Settings, frames: list[bytes]) -> None:
        self.settings = settings
        feed(buffer, frames)
        drain(settings)
        self._searcher = Searcher(Store(settings.lake_dir), settings)

    def texts(self, text: str, *, exact: bool = False) -> list[str]:
        """The texts of the posts that a search finds."""
        return sorted(post.text for post in self._searcher.search(SearchQuery(text, exact=exact)).posts)

    def count(self, text: str) -> int:
        """How many posts a search finds."""
        return self._searcher.search(SearchQuery(text)).total

    def tags(self) -> dict[str, list[str]]:
        """The tags of each post as written, by its text."""
        return {row["text"]: row["hashtags"] for row in rows(self.settings, "SELECT text, hashtags FROM posts")}

    def keys(self) -> set[tuple[str, ...]]:
        """The different lists of keys."""
        return {tuple(row["hashtag_keys"]) for row in rows(self.settings, "SELECT hashtag_keys FROM posts")}


def stating(*tags: str, number: int = 0) -> bytes:
    """A post with a facet for each of `tags`."""
    facets = [{"features": [{"$type": "app.bsky.richtext.facet#tag", "tag": tag}]} for tag in tags]
    return commit_frame(POST, rkey=f"3k{number}", rev=1000 + number, record={"text": f"p{number}", "facets": facets})


def saying(*texts: str) -> list[bytes]:
    """A post for each of `texts`, without facets."""
    return [
        commit_frame(POST, rkey=f"3k{number}", rev=1000 + number, record={"text": text})
        for number, text in enumerate(texts)
    ]


def test_case_01_a_tag_loses_its_sign(buffer: Buffer, settings: Settings) -> None:
    lake = Drained(buffer, settings, case_frames("01-facet-tag-with-hash"))
    assert lake.keys() == {("klimakrise",)}
    assert list(lake.tags().values()) == [["Klimakrise"]] * 4
    assert lake.count("#klimakrise") == lake.count("＃KlimaKrise") == lake.count("##klimakrise") == 4


def test_case_02_what_nobody_sees_makes_no_other_tag(buffer: Buffer, settings: Settings) -> None:
    lake = Drained(buffer, settings, case_frames("02-invisible-in-tag"))
    assert lake.keys() == {("wahlkrimi",)}
    for asked in ("#wahlkrimi", "#Wahl\u200bkrimi", "#\u2060wahlkrimi", "#wahlkrimi.", "\u202a#wahlkrimi\u202c"):
        assert lake.count(asked) == 9, ascii(asked)
    assert lake.tags()["look 1 #Wahl\u200bkrimi"] == ["Wahl\u200bkrimi"]


@pytest.mark.parametrize(
    ("tags", "keys"),
    [
        (
            [
                "\ufeffNews",
                "\u200fnews\u200e",
                "\u2067NEWS\u2069",
                "ne\u034fws",
                "news…",
                "news\u3000",
                "＃news",
                "news!?",
            ],
            ["news"],
        ),
        (["Straße", "STRASSE", "ſtraße"], ["strasse"]),
        (["İzmir", "i\u0307zmir"], ["i\u0307zmir"]),
        (["한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"], ["한국"]),
        (["👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧\ufe0f"], ["👨\u200d👩\u200d👧"]),
        (["👨👩👧", "👨\u200d👩\u200d👧"], ["👨👩👧", "👨\u200d👩\u200d👧"]),
        (["1\ufe0f\u20e3", "1\u20e3"], ["1\ufe0f\u20e3"]),
        (["🇩🇪", "🇩\u200b🇪"], ["🇩🇪"]),
        (["می\u200cخواهم", "میخواهم"], ["می\u200cخواهم", "میخواهم"]),
        (["क्\u200dष", "क्ष", "क्\u200d\u200bष"], ["क्\u200dष", "क्ष"]),
        (["\u200b", "\u3164", "\u2800", " ", "#", "\ufe0f"], []),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_tags_that_read_alike_are_one(tags: list[str], keys: list[str], buffer: Buffer, settings: Settings) -> None:
    lake = Drained(buffer, settings, [stating(*tags), *(stating(tag, number=n) for n, tag in enumerate(tags, 1))])
    alike: set[tuple[str, ...]] = {(key,) for key in keys}
    assert lake.keys() == alike | {tuple(keys)}
    for tag in tags if keys else ():
        assert lake.count(f"#{tag.split()[0]}") >= 2, ascii(tag)


def test_case_03_tags_without_facets_are_the_clients(buffer: Buffer, settings: Settings) -> None:
    lake = Drained(buffer, settings, case_frames("03-tags-without-facets"))
    assert lake.tags() == {
        "#zug-ausfall heute": ["zug-ausfall"],
        "#2024wahl": ["2024wahl"],
        "Wisconsin vs #19 Alabama": [],
        "I love #🍎 day": ["🍎"],
        "#C++ is fine": ["C++"],
        "(#ATL) is closed": [],
        '"#quoted" tag': [],
        "#foo_bar #foo-bar": ["foo_bar", "foo-bar"],
        "#naïve café": ["naïve"],
        "#नमस्ते दुनिया": ["नमस्ते"],
        "price ##double": ["double"],
        "#abc#def": ["abc#def"],
        "#with,punctuation!": ["with,punctuation"],
        "#AT&T news": ["AT&T"],
        "#it's ok": ["it's"],
        "#日本語タグ です": ["日本語タグ"],
        "テスト#密着": [],
        "x\u3000＃全角 y": ["全角"],
        "#\ufe0f\u20e3 keycap": [],
        "#don’t": ["don’t"],
        "#a.b.c": ["a.b.c"],
        "#rest/api": ["rest/api"],
    }
    for asked in ("#zug–ausfall", "#c++", "#IT’S", "#don't", "#at&t", "#नमस्ते", "#🍎"):
        assert lake.count(asked) == 1, asked


def test_case_03b_any_white_space_stands_before_a_tag(buffer: Buffer, settings: Settings) -> None:
    lake = Drained(buffer, settings, case_frames("03b-unicode-space-before-tag"))
    assert lake.count("#自炊記録") == 8
    assert lake.count("#和食") == 1


def test_case_12_encodings_find_each_other(buffer: Buffer, settings: Settings) -> None:
    lake = Drained(buffer, settings, case_frames("12-normalisation"))
    for asked in ("パリ", "ハ\u309aリ", "ﾊﾟﾘ"):
        assert lake.count(asked) == 4, ascii(asked)
    for asked in ("ガム", "カ\u3099ム"):
        assert lake.count(asked) == 2, ascii(asked)
    for asked in ("감사", "\u1100\u1161\u11b7\u1109\u1161", "café", "CAFE\u0301", "ångström", "Zu\u0308rich"):
        assert lake.count(asked) == 2, ascii(asked)
    for asked in ("ABC", "ａｂｃ", "ABCニュース", "1番", "①", "株式会社"):
        assert lake.count(asked) == 2, ascii(asked)
    for asked in ("#élection", "#E\u0301LECTION"):
        assert lake.count(asked) == 2, ascii(asked)


def test_words_and_phrases_are_compared_in_their_canonical_form(buffer: Buffer, settings: Settings) -> None:
    texts = [
        "It’s a well–known\u00a0fact",
        "it's a well-known fact",
        "Wahl\u200bkrimi am Abend",
        "\ufeffBOM first",
        "می\u200cخواهم",
    ]
    lake = Drained(buffer, settings, saying(*texts))
    both = sorted(texts[:2])
    assert lake.texts("IT'S") == lake.texts("it’s well−known") == both
    assert lake.texts("a well—known\u3000 \u200bfact", exact=True) == both
    assert lake.texts("wahlkrimi") == lake.texts("wahl\u00adkrimi") == [texts[2]]
    assert lake.texts("bom") == [texts[3]]
    assert lake.texts("می\u200cخواهم") == [texts[4]]
    # A query of nothing visible asks for nothing.
    assert lake.texts("\u200b \u2060") == lake.texts("\u200b", exact=True) == sorted(texts)


def test_case_14_links_and_alternative_texts_are_searched(buffer: Buffer, settings: Settings) -> None:
    lake = Drained(buffer, settings, case_frames("14-links-and-alt"))
    assert lake.texts("leak-story") == [
        "Main Link fourteen",
        "news.example.com/2026/leak-... fourteen",
        "read this fourteen",
    ]
    assert lake.texts("NEWS.example.com/2026/leak-story") == lake.texts("leak-story")
    assert lake.texts("Lighthouse") == lake.texts("lighthouse at dusk", exact=True) == ["picture fourteen"]
    assert lake.texts("waving cat") == ["gif fourteen"]
    # Words may be in different places; a phrase is in one.
    assert lake.texts("picture dusk") == ["picture fourteen"]
    assert lake.texts("fourteen a lighthouse", exact=True) == []
    assert lake.texts("lighthouse waving") == []
    assert lake.count("fourteen") == 12


def embedding(embed: Mapping[str, object]) -> bytes:
    return commit_frame(POST, record={"text": "t", "embed": embed})


@pytest.mark.parametrize(
    ("description", "alt_texts"),
    [
        ("ALT: a waving cat", ["a waving cat"]),
        ("Alt: two\nlines", ["two\nlines"]),
        ("ALT: ", []),
        ("alt: no", []),
        ("Documents show. ALT: no", []),
    ],
)
@pytest.mark.parametrize("is_quoting", [False, True])
def test_the_alternative_text_of_a_gif(
    description: str, alt_texts: list[str], is_quoting: bool, buffer: Buffer, settings: Settings
) -> None:
    media = {
        "$type": "app.bsky.embed.external",
        "external": {"uri": "https://x.example/y.gif", "description": description},
    }
    quote = {"$type": "app.bsky.embed.recordWithMedia", "media": media, "record": {}}
    Drained(buffer, settings, [embedding(quote if is_quoting else media)])
    assert rows(settings, "SELECT alt_texts FROM posts") == [{"alt_texts": alt_texts}]
