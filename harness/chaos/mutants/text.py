"""Known defects of texts: of their canonical form, of tags, and of what a search looks at."""

from harness.chaos.mutants.mutant import Mutant

_CANONICAL = "tests/lake/text/test_canonical.py::"
_TAGS = "tests/lake/text/test_tags.py::"
_PATTERNS = "tests/lake/text/test_patterns.py::"
_SEARCH = "tests/lake/search/test_searcher.py::"

MUTANTS = (
    Mutant(
        "joiners-all-removed",
        "a joiner that an emoji or a script needs is removed, and a family is three people",
        "bluelake/lake/text/canonical.py",
        "            yield _needed(between, kept, number)",
        "            pass",
        (f"{_CANONICAL}test_joiners_stay_where_they_are_needed",),
    ),
    Mutant(
        "canonical-in-one-step",
        "characters that compose once an invisible one between them is gone stay apart",
        "bluelake/lake/text/canonical.py",
        "    while text != before:\n        before, text = text, _step(text)\n    return text",
        "    return _step(text)",
        (f"{_CANONICAL}test_texts_that_read_alike_have_one_form", f"{_CANONICAL}test_a_canonical_text_is_its_own"),
    ),
    Mutant(
        "sign-stays-in-a-key",
        "a stated tag with its sign is another tag than one without",
        "bluelake/lake/text/tags.py",
        "    key = key[_SIGNS.match(key).end() :]",
        "    key = key[0 * _SIGNS.match(key).end() :]",
        (f"{_TAGS}test_stated_tags",),
    ),
    Mutant(
        "unseen-tag-kept",
        "a tag of which nobody sees anything is a tag",
        "bluelake/lake/text/tags.py",
        "        if key:\n            found.setdefault",
        "        if True:\n            found.setdefault",
        (f"{_TAGS}test_stated_tags",),
    ),
    Mutant(
        "prefilter-without-invisible-characters",
        "the quick pass leaves out a text with an invisible character within the word",
        "bluelake/lake/text/patterns.py",
        '    return f"{_class(skipped)}*"',
        '    return ""',
        (f"{_PATTERNS}test_a_pattern_finds_what_reads_alike_and_little_else",),
    ),
    Mutant(
        "prefilter-without-composing-letters",
        "the quick pass leaves out a syllable that is written as its letters",
        "bluelake/lake/text/patterns.py",
        "    rest += [pattern for c in dict.fromkeys(needle) for pattern in _composing(c)]\n",
        "",
        (f"{_PATTERNS}test_a_pattern_finds_what_reads_alike_and_little_else",),
    ),
    Mutant(
        "sql-takes-any-tag-for-plain",
        "the drain takes tags with a dash at their end for plain ones, and their keys keep it",
        "bluelake/lake/drain/sql/parse_posts.sql",
        "'[A-Za-z0-9|]+'",
        "'[A-Za-z0-9|-]+'",
        ("tests/lake/drain/test_tagging.py::test_sql_and_python_agree_on_every_character",),
    ),
    Mutant(
        "links-not-searched",
        "a word that is only in a link finds nothing",
        "bluelake/lake/search/prefilter.py",
        '_LISTS = ("alt_texts", "links")',
        '_LISTS = ("alt_texts",)',
        (f"{_SEARCH}test_words_are_sought_in_links_and_alternative_texts_too",),
    ),
    Mutant(
        "lists-taken-for-empty",
        "a file with alternative texts is searched as if it had none",
        "bluelake/lake/search/prefilter.py",
        "column.statistics.null_count != column.num_values",
        "column.statistics.null_count == 0",
        (f"{_SEARCH}test_words_are_sought_in_links_and_alternative_texts_too",),
    ),
    Mutant(
        "earlier-rows-have-no-tags",
        "a search for a tag leaves out the rows of an earlier version, which have no keys",
        "bluelake/lake/search/prefilter.py",
        "yield keys.list.contains(tag).fill_null(False) | _any(without_key, alternatives)",
        "yield keys.list.contains(tag).fill_null(False)",
        (f"{_SEARCH}test_rows_of_an_earlier_version_have_tags_without_keys",),
    ),
    Mutant(
        "spellings-ranked-apart",
        "spellings of one tag have a rank each",
        "transforms/models/trending_hashtags_daily.sql",
        "coalesce(key, lower(as_written)) AS hashtag",
        "lower(as_written) AS hashtag",
        ("tests/transforms/test_project.py::test_every_unit_test_runs_and_passes",),
    ),
)
