"""Search: words, order, pages and caps, and what is current, on real Delta tables."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bluelake.core.clock import to_us
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.errors import LakeUnavailableError
from bluelake.lake.search import scan as search_scan
from bluelake.lake.search.searcher import Searcher
from bluelake.lake.search.terms import ParameterError, SearchQuery
from bluelake.lake.text import canonical, tag_key
from tests.support.lakes import Lake
from tests.support.rows import NOON, SECOND, Row, account, batch, delete, identity, post


@pytest.fixture
def lake(lake_settings: Settings) -> Lake:
    return Lake(lake_settings)


@pytest.fixture
def searcher(lake_settings: Settings) -> Searcher:
    return Searcher(Store(lake_settings.lake_dir), lake_settings)


def rkeys(searcher: Searcher, text: str = "", **more: object) -> list[str]:
    query = SearchQuery(text=text, **more)  # type: ignore[arg-type]
    return [found.rkey for found in searcher.search(query).posts]


WORDS = [
    ("Hello World", "hello", True),
    ("Hello World", "WORLD hel", True),
    ("Hello World", "hello mars", False),
    ("今日は雨です", "雨", True),
    ("今日は雨です", "雪", False),
    ("今日は雨です", "雨　です", True),
    ("tasty 🍣🍵", "🍣", True),
    ("100% of '; DROP TABLE posts; --", "'; DROP", True),
    ("100% of x", "100%", True),
    ("1000 of x", "100%", False),
    ("a_b", "a_b", True),
    ("axb", "a_b", False),
    ("a.c [x] (y)* \\d+ ^z$", "(y)* \\d+ [x] ^z$ a.c", True),
    ("abc", "a.c", False),
    ("Příliš žluťoučký KŮŇ", "kůň ŽLUŤ", True),
    ("ПРИВЕТ мир", "привет", True),
    ("привет мир", "ПРИВЕТ", True),
    # Full case folding: one character may stand for two.
    ("Straße", "STRASSE", True),
    ("STRASSE", "straße", True),
    ("Straße", "rass", True),
    ("Straße", "se", True),
    ("Fuß", "fus", True),
    ("Fuß", "fuz", False),
    ("ΣΊΣΥΦΟΣ", "σίσυφος", True),
    ("σίσυφος", "ΦΟΣ", True),
    ("ofﬁce", "OFFICE", True),
    ("ofﬁce", "ice", True),
    ("ofﬁce", "offi", True),
    ("ſoft K", "soft k", True),
    ("this is ſo", "is so", True),
    ("İstanbul", "i̇stanbul", True),
    ("İß", "iss", False),
    ("и İ", "и i", True),
    ("иİx", "иix", False),
    ("Ꭰꭰ", "ꭰᎠ", True),
    ("microµ", "μ", True),
]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    settings = Settings(bluelake_home=tmp_path_factory.mktemp("words"), duckdb_threads=2)
    Lake(settings).write([post(text, rkey=str(i)) for i, (text, _, _) in enumerate(WORDS)])
    return Searcher(Store(settings.lake_dir), settings)


@pytest.mark.parametrize("case", range(len(WORDS)), ids=lambda i: f"{WORDS[i][1]} in {WORDS[i][0]}")
def test_words_occur_in_any_case(words: Searcher, case: int) -> None:
    _, needle, found = WORDS[case]
    assert (str(case) in rkeys(words, needle)) is found


def test_exact_is_the_phrase_as_written(lake: Lake, searcher: Searcher) -> None:
    lake.write([post("The quick \n brown fox", rkey="1"), post("the brown quick fox", rkey="2")])
    # Any run of white space is one blank.
    assert rkeys(searcher, "Quick  Brown", exact=True) == rkeys(searcher, "quick\u3000brown", exact=True) == ["1"]
    assert rkeys(searcher, "quickbrown", exact=True) == []
    assert rkeys(searcher, "quick brown") == ["1", "2"]
    assert rkeys(searcher, "   ", exact=True) == ["1", "2"]


def test_a_hashtag_is_whole_and_from_the_hashtags(lake: Lake, searcher: Searcher) -> None:
    lake.write(
        [
            post("#Art", rkey="1", hashtags=["Art"]),
            post("#artists unite", rkey="2", hashtags=["artists"]),
            post("a #art in the text only", rkey="3"),
            post("said elsewhere", rkey="4", hashtags=["music", "ART"]),
            post("＃アート", rkey="5", hashtags=["アート"]),
            post("weiß", rkey="6", hashtags=["Weiß"]),
        ]
    )
    assert rkeys(searcher, "#art") == ["1", "4"]
    assert rkeys(searcher, "＃aRt said") == ["4"]
    assert rkeys(searcher, "#art #music") == ["4"]
    assert rkeys(searcher, "#アート") == rkeys(searcher, "＃アート") == ["5"]
    assert rkeys(searcher, "#WEISS") == ["6"]
    assert rkeys(searcher, "#") == rkeys(searcher, "＃") == ["1", "2", "3", "5"]
    assert rkeys(searcher, "#art in", exact=True) == ["3"]


def test_words_are_sought_in_links_and_alternative_texts_too(lake: Lake, searcher: Searcher) -> None:
    lake.write(
        [
            post("read this", rkey="1", links=["https://News.Example/leak-story"]),
            post("look", rkey="2", alt_texts=["", "a ｌighthouse", "at dusk"], links=["https://a.example"]),
            post("leak", rkey="3"),
        ]
    )
    # A file of its own, without any link.
    lake.write([post("a story", rkey="4", alt_texts=["the Leak"], at=NOON + SECOND)])
    assert rkeys(searcher, "leak-story") == rkeys(searcher, "//news.example/LEAK–STORY") == ["1"]
    assert rkeys(searcher, "lighthouse") == rkeys(searcher, "look dusk a.example") == ["2"]
    assert rkeys(searcher, "leak") == ["4", "1", "3"]
    assert rkeys(searcher, "leak story") == ["4", "1"]
    # A phrase is in one place.
    assert rkeys(searcher, "lighthouse at", exact=True) == rkeys(searcher, "story the", exact=True) == []
    assert rkeys(searcher, "at dusk", exact=True) == ["2"]


def test_rows_of_an_earlier_version_have_tags_without_keys(lake: Lake, searcher: Searcher) -> None:
    lake.write(
        [
            post("x", rkey="1", hashtags=["#Wahl\u200bkrimi."], hashtag_keys=None),
            post("x y", rkey="2", hashtags=["other", "WAHLKRIMI"], hashtag_keys=None),
            post("x", rkey="3", hashtags=["wahlkrim"], hashtag_keys=None),
            post("x", rkey="4", hashtag_keys=None),
            post("x", rkey="5", hashtags=["Wahlkrimi"]),
        ]
    )
    assert rkeys(searcher, "#wahlkrimi") == ["1", "2", "5"]
    assert rkeys(searcher, "#wahlkrimi y #other") == ["2"]


def test_an_edited_post_is_found_by_its_last_text_and_tags(lake: Lake, searcher: Searcher) -> None:
    lake.write([post("before", hashtags=["old"])])
    later = NOON + timedelta(hours=3)
    edited = post("Ａfter", rev=2, at=later, operation="update", hashtags=["New"], alt_texts=["a cat"])
    lake.write([edited])
    for asked in ("after", "#new", "#NEW after cat", ""):
        assert rkeys(searcher, asked) == rkeys(searcher, asked, username="did:plc:ann") == ["1"], asked
    for asked in ("before", "#old", "after #old"):
        assert rkeys(searcher, asked) == [], asked
    assert rkeys(searcher, "after", username="did:plc:bob") == []


def test_an_emoji_is_found_in_each_of_its_forms(lake: Lake, searcher: Searcher) -> None:
    lake.write(
        [
            post("a ☝🏽", rkey="1"),
            post("b ☝\ufe0f", rkey="2"),
            post("c ☝", rkey="3"),
            post("d ❤\ufe0f\u200d🔥", rkey="4"),
        ]
    )
    assert rkeys(searcher, "☝") == rkeys(searcher, "☝\ufe0f") == ["1", "2", "3"]
    assert rkeys(searcher, "☝🏽") == rkeys(searcher, "☝\ufe0f🏽") == ["1"]
    assert rkeys(searcher, "❤") == rkeys(searcher, "🔥") == ["4"]


def test_order_is_newest_first_then_did_then_rkey(lake: Lake, searcher: Searcher) -> None:
    lake.write([post("x", rkey="b", did="did:plc:b"), post("x", rkey="z", did="did:plc:a")])
    lake.write([post("x", rkey="a", did="did:plc:b"), post("x", rkey="new", at=NOON + SECOND)])
    lake.write([post("x", rkey="old", at=NOON - timedelta(days=3))])
    assert rkeys(searcher) == ["new", "z", "a", "b", "old"]


def test_pages_and_caps(lake: Lake, searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_scan, "FIRST_GROUP_ROWS", 3)
    # 12 posts, one every 40 minutes, over 8 hours: p00 is the newest.
    lake.write([post("x", rkey=f"p{i:02}", at=NOON - timedelta(minutes=40 * i)) for i in range(12)])

    def look(page: int, cap: int, rows_capped: bool) -> tuple[list[str], int, bool, bool]:
        found = searcher.search(SearchQuery("x"), page=page, page_size=5, cap=cap, rows_capped=rows_capped)
        return [p.rkey for p in found.posts], found.total, found.capped, found.has_next

    assert look(1, 12, True) == (["p00", "p01", "p02", "p03", "p04"], 12, False, True)
    assert look(3, 12, True) == (["p10", "p11"], 12, False, False)
    assert look(4, 12, True) == ([], 12, False, False)
    # Rows past the cap are withheld, and no next page is promised.
    assert look(2, 7, True) == (["p05", "p06"], 7, True, False)
    assert look(3, 7, True) == ([], 7, True, False)
    assert look(1, 5, True) == (["p00", "p01", "p02", "p03", "p04"], 5, True, False)
    # Without that, only the count stops.
    assert look(2, 7, False) == (["p05", "p06", "p07", "p08", "p09"], 7, True, True)
    assert look(3, 7, False) == (["p10", "p11"], 7, True, False)
    assert look(10**30, 7, False) == ([], 7, True, False)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
def test_the_oldest_hours_count_however_they_are_grouped(
    lake: Lake, searcher: Searcher, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(search_scan, "FIRST_GROUP_ROWS", rows)
    lake.write([post("old", rkey=str(i), at=NOON - timedelta(hours=i)) for i in range(7)])
    lake.write([post("new", rkey="5", rev=2, at=NOON + timedelta(hours=1), operation="update")])
    assert rkeys(searcher, "old") == ["0", "1", "2", "3", "4", "6"]
    assert rkeys(searcher, "new") == ["5"]
    assert rkeys(searcher) == ["0", "1", "2", "3", "4", "5", "6"]
    assert [found.rkey for found in searcher.stream(SearchQuery())] == ["0", "1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize(
    "needle", ["abc" + "я" * 997, "a" * 1000, "ß" * 500, "s" * 1000, "abc" + "ᾳ" * 997, "a b " * 250]
)
def test_the_longest_texts_are_compared_too(lake: Lake, searcher: Searcher, needle: str) -> None:
    lake.write([post(needle.upper(), rkey="1"), post(needle[:-1], rkey="2")])
    assert "1" in rkeys(searcher, needle, exact=True)
    assert "1" in rkeys(searcher, needle)


def test_only_current_rows_are_found(lake: Lake, searcher: Searcher) -> None:
    later = NOON + timedelta(hours=3)
    lake.write(
        [
            post("kept apple", rkey="1"),
            post("deleted apple", rkey="2"),
            post("apple before", rkey="3"),
            post("hidden apple", rkey="4", did="did:plc:gone"),
            post("back again apple", rkey="5", did="did:plc:back"),
            post("apple created again", rkey="6", rev=9),
        ]
    )
    lake.write(
        [post("pear after", rkey="3", rev=5, at=later, operation="update")],
        deletes=[
            delete("2", at=later),
            delete("6", rev=8, at=later),
            delete("1", at=later, collection="app.bsky.feed.like"),
        ],
        accounts=[
            account("did:plc:gone", active=False),
            account("did:plc:back", active=False),
            account("did:plc:back", active=True, at=later),
        ],
    )
    assert sorted(rkeys(searcher, "apple")) == ["1", "5", "6"]
    # An updated post shows its last text at the time at which it was first seen.
    [updated] = searcher.search(SearchQuery("pear")).posts
    assert (updated.rkey, updated.event_at) == ("3", NOON)
    assert rkeys(searcher, "pear", start_us=to_us(later)) == []
    assert rkeys(searcher, "pear", end_us=to_us(later)) == ["3"]
    # By first time, then did, then rkey.
    assert rkeys(searcher) == ["1", "3", "6", "5"]


def test_an_account_that_is_hidden_later_disappears_at_once(lake: Lake, searcher: Searcher) -> None:
    lake.write([post("x")], accounts=[identity("did:plc:ann", "ann.bsky.social")])
    assert searcher.search(SearchQuery()).posts[0].username == "ann.bsky.social"
    lake.write(accounts=[account("did:plc:ann", active=False, at=NOON + SECOND)])
    assert rkeys(searcher) == []
    lake.write(accounts=[account("did:plc:ann", active=True, at=NOON + 2 * SECOND)])
    assert rkeys(searcher) == ["1"]


def test_an_account_is_what_the_relay_said_last_however_late_the_host_was(lake: Lake, searcher: Searcher) -> None:
    gone = {**account("did:plc:ann", active=False, at=NOON), "created_at": NOON + 5 * SECOND}
    before = {**account("did:plc:ann", active=True, at=NOON + 60 * SECOND), "created_at": NOON}
    new, old = identity("did:plc:bob", "new.example", at=NOON), identity("did:plc:bob", "old.example", at=NOON + SECOND)
    lake.write(
        [post("x"), post("y", rkey="2", did="did:plc:bob")],
        accounts=[gone, {**new, "created_at": NOON + SECOND}],
    )
    assert rkeys(searcher) == ["2"]
    lake.write(accounts=[before, {**old, "created_at": NOON}])
    assert rkeys(searcher) == ["2"]
    assert searcher.search(SearchQuery()).posts[0].username == "new.example"
    assert rkeys(searcher, username="new.example") == ["2"]
    lake.write(accounts=[{**account("did:plc:ann", active=True), "created_at": NOON + 5 * SECOND, "seq": 2}])
    assert rkeys(searcher) == ["1", "2"]


def test_a_reset_of_a_repository_hides_its_earlier_posts_at_once(lake: Lake, searcher: Searcher) -> None:
    lake.write([post("one", rev=1), post("two", rkey="2", rev=5), post("three", rkey="3", rev=1, did="did:plc:bob")])
    lake.write([post("edited", rkey="1", rev=2, at=NOON + SECOND, operation="update")])
    assert rkeys(searcher) == ["1", "2", "3"]
    lake.write(deletes=[delete("*", collection="*", rev=5, at=NOON + SECOND)])
    assert rkeys(searcher) == ["2", "3"]
    assert rkeys(searcher, "edited") == []


def test_user_names(lake: Lake, searcher: Searcher) -> None:
    lake.write(
        [
            post("a", rkey="a", did="did:plc:ann"),
            post("b", rkey="b", did="did:plc:bob"),
            post("c", rkey="c", did="did:web:c.example"),
        ],
        accounts=[
            identity("did:plc:ann", "old.example"),
            identity("did:plc:ann", "Ann.bsky.social", at=NOON + SECOND),
            identity("did:plc:bob", "old.example", at=NOON + 2 * SECOND),
            identity("did:plc:bob", "handle.invalid", at=NOON + 3 * SECOND),
        ],
    )
    for name in ("ann", "@ann", "ANN.bsky.social", " @ann.bsky.social ", "did:plc:ann"):
        assert rkeys(searcher, username=name) == ["a"], name
    for name, notice in (("old.example", "old.example"), ("nobody", "nobody.bsky.social"), ("did:plc:x", "did:plc:x")):
        found = searcher.search(SearchQuery(username=name))
        assert (found.posts, found.total) == ([], 0)
        assert found.notice is not None
        assert notice in found.notice
    assert searcher.search(SearchQuery("nothing", username="did:web:c.example")).notice is None
    names = {found.did: found.username for found in searcher.search(SearchQuery()).posts}
    assert names == {
        "did:plc:ann": "Ann.bsky.social",
        "did:plc:bob": "did:plc:bob",
        "did:web:c.example": "did:web:c.example",
    }


@pytest.mark.parametrize("rows", [1, 100])
def test_start_is_inclusive_and_end_exclusive(
    lake: Lake, searcher: Searcher, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(search_scan, "FIRST_GROUP_ROWS", rows)
    lake.write([post("x", rkey=str(i), at=NOON + i * timedelta(microseconds=1)) for i in range(3)])
    assert rkeys(searcher, start_us=to_us(NOON) + 1) == ["2", "1"]
    assert rkeys(searcher, end_us=to_us(NOON) + 1) == ["0"]
    assert rkeys(searcher, start_us=to_us(NOON) + 1, end_us=to_us(NOON) + 2) == ["1"]
    assert rkeys(searcher, start_us=to_us(NOON) + 1, end_us=to_us(NOON) + 1) == []


def test_what_is_committed_is_found_by_the_next_search(lake: Lake, searcher: Searcher) -> None:
    assert searcher.search(SearchQuery()).notice is not None
    lake.write([post("first", rkey="1")], batches=[batch(NOON)])
    found = searcher.search(SearchQuery())
    assert ([p.rkey for p in found.posts], found.data_through, found.notice) == (["1"], NOON, None)
    lake.write([post("second", rkey="2", at=NOON + SECOND)], batches=[batch(NOON + SECOND, at=NOON + SECOND)])
    found = searcher.search(SearchQuery())
    assert ([p.rkey for p in found.posts], found.data_through) == (["2", "1"], NOON + SECOND)


def test_a_lake_that_does_not_exist_yet_is_empty(searcher: Searcher) -> None:
    found = searcher.search(SearchQuery("x"))
    assert (found.posts, found.total, found.data_through) == ([], 0, None)
    assert found.notice is not None


def test_posts_carry_what_the_contract_names(lake: Lake, searcher: Searcher) -> None:
    early = datetime(1, 1, 1, tzinfo=UTC)
    lake.write([post("x", rkey="3k", langs=["ja", "en"], hashtags=["a"], created_at=early)])
    [found] = searcher.search(SearchQuery()).posts
    assert found.uri == "at://did:plc:ann/app.bsky.feed.post/3k"
    assert found.url == "https://bsky.app/profile/did:plc:ann/post/3k"
    assert (found.langs, found.hashtags, found.created_at) == (("ja", "en"), ("a",), early)


def test_a_stream_holds_all_that_the_pages_hold(
    lake: Lake, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_scan, "FIRST_GROUP_ROWS", 5)
    lake.write([post("x", rkey=f"{i:03}", at=NOON - timedelta(minutes=7 * i)) for i in range(120)])
    lake.write(deletes=[delete(f"{i:03}") for i in range(0, 120, 3)])
    streamed = [found.rkey for found in searcher.stream(SearchQuery("x"))]
    assert streamed == [f"{i:03}" for i in range(120) if i % 3]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("text", "a\0b", "NUL"),
        ("text", "\ud83d", "surrogate"),
        ("text", "x" * 1001, "1,000"),
        ("username", "\0", "NUL"),
    ],
)
def test_what_no_text_can_be_is_refused_by_name(field: str, value: str, reason: str) -> None:
    with pytest.raises(ParameterError, match=reason) as caught:
        SearchQuery(**{field: value})  # type: ignore[arg-type]
    assert caught.value.parameter == field
    str(caught.value).encode()


def test_a_page_far_back_is_reached_by_groups_that_fit(
    lake: Lake, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_scan, "FIRST_GROUP_ROWS", 2)
    monkeypatch.setattr(search_scan, "MOST_MATCHES", 4)
    looked_up: list[int] = []
    create = search_scan.Scan._create

    def counting(self: search_scan.Scan, table: str, statement: str, *, append: bool = False) -> int:
        count = create(self, table, statement, append=append)
        looked_up.extend([count] if table == "found" else [])
        return count

    monkeypatch.setattr(search_scan.Scan, "_create", counting)
    lake.write([post("x", rkey=f"{i:02}", at=NOON - timedelta(minutes=30 * i)) for i in range(40)])
    page = searcher.search(SearchQuery(), page=8, page_size=5, rows_capped=False)
    assert [found.rkey for found in page.posts] == ["35", "36", "37", "38", "39"]
    assert (page.total, page.capped, page.has_next) == (40, False, False)
    assert len(looked_up) > 3


@pytest.mark.parametrize("text", ["", "x"])
def test_an_unreadable_lake_says_so(lake: Lake, searcher: Searcher, text: str) -> None:
    lake.write([post("x")])
    assert rkeys(searcher, text) == ["1"]
    for file in lake.store.root.glob("posts/year=*/**/*.parquet"):
        file.write_bytes(b"not parquet at all, though long enough")
    with pytest.raises(LakeUnavailableError, match="cannot be read"):
        rkeys(searcher, text)


def test_threads_search_while_batches_arrive(lake: Lake, searcher: Searcher) -> None:
    lake.write([post("x", rkey="00")])
    errors: list[BaseException] = []
    stop = threading.Event()

    def look() -> None:
        seen = 0
        try:
            while not stop.is_set():
                found = len(rkeys(searcher, "x"))
                assert found >= seen
                seen = found
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(1, 8):
        lake.write(
            [post("x", rkey=f"{i:02}")], accounts=[identity("did:plc:ann", f"a{i}.example", at=NOON + i * SECOND)]
        )
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(rkeys(searcher, "x")) == 8


ALPHABET = "abkSsßſẞtﬆiİıffﬁΣσς µμКкᲀ雨今日、。　 \n#%_.*\\'\"🍣é"


def naive(text: str, hashtags: list[str], needle: str, exact: bool) -> bool:
    """What a search should find, by looking at one post."""
    needle, text = canonical(needle), canonical(text)
    if exact:
        return not needle.strip() or needle in text
    for word in needle.split():
        tag = tag_key(word) if word.startswith("#") else ""
        if (tag and tag not in map(tag_key, hashtags)) or (not tag and word not in text):
            return False
    return True


@pytest.mark.parametrize("seed", [3, 4])
def test_random_posts_agree_with_a_naive_matcher(
    lake: Lake, searcher: Searcher, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(search_scan, "FIRST_GROUP_ROWS", 80)
    draw = random.Random(seed)

    def some(least: int, most: int) -> str:
        return "".join(draw.choice(ALPHABET) for _ in range(draw.randint(least, most)))

    rows: dict[str, Row] = {}
    for i in range(250):
        tags = ["".join(some(1, 3).split()) or "x" for _ in range(draw.randint(0, 2))]
        at = NOON - timedelta(seconds=draw.randint(0, 40_000))
        rows[f"{i:03}"] = post(some(0, 25), rkey=f"{i:03}", did=f"did:plc:{i % 7}", at=at, hashtags=tags)
    everything = list(rows.values())
    lake.write(everything[:120])
    lake.write(everything[120:])
    for i in range(0, 250, 10):
        del rows[f"{i:03}"]
    lake.write(deletes=[delete(f"{i:03}", did=f"did:plc:{i % 7}") for i in range(0, 250, 10)])

    def check(needle: str, exact: bool, matches: Callable[[Row], bool]) -> None:
        wanted = sorted(
            (row for row in rows.values() if matches(row)),
            key=lambda row: (-to_us(row["event_at"]), row["did"], row["rkey"]),
        )
        found = searcher.search(SearchQuery(needle, exact=exact), page_size=300, rows_capped=False)
        assert [p.rkey for p in found.posts] == [row["rkey"] for row in wanted], (needle, exact)
        assert found.total == len(wanted)

    for _ in range(40):
        source = draw.choice(list(rows.values()))
        start = draw.randint(0, max(len(source["text"]) - 1, 0))
        needle = source["text"][start : start + draw.randint(1, 4)]
        needle = draw.choice([needle, needle.upper(), needle.casefold(), some(1, 2)])
        if source["hashtags"] and draw.random() < 0.2:
            needle = f"#{source['hashtags'][0].upper()} {needle}"
        exact = draw.random() < 0.4
        check(needle, exact, lambda row, n=needle, e=exact: naive(row["text"], row["hashtags"], n, e))  # type: ignore[misc]
