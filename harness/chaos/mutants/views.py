"""Known defects of the cached views: what they count, and what a failed view holds back."""

from harness.chaos.mutants.mutant import Mutant

_COUNTS = "tests/transforms/test_counts.py::"
_AUDITS = "tests/transforms/test_audits.py::"

MUTANTS = (
    Mutant(
        "records-counted-for-accounts",
        "three likes of one account for one post count three times",
        "transforms/models/most_liked_posts_daily.sql",
        "count(DISTINCT did) AS likes",
        "count(*) AS likes",
        (f"{_COUNTS}test_whoever_likes_openly_and_in_secret_counts_once",),
    ),
    Mutant(
        "hidden-like-counted",
        "a like whose account asked that it be hidden is counted",
        "transforms/models/most_liked_posts_daily.sql",
        "    AND hide_like IS NOT TRUE\n",
        "",
        (f"{_COUNTS}test_whoever_likes_openly_and_in_secret_counts_once",),
    ),
    Mutant(
        "hidden-like-active",
        "an account that only likes in secret counts as active",
        "transforms/models/active_users_daily.sql",
        " WHERE hide_like IS NOT TRUE",
        "",
        (f"{_COUNTS}test_whoever_likes_openly_and_in_secret_counts_once",),
    ),
    Mutant(
        "failed-view-holds-the-others-back",
        "one view that fails an audit keeps all views from being published",
        "transforms/refresh.py",
        "        plan(sound)\n",
        "        raise\n",
        (f"{_AUDITS}test_a_view_that_fails_an_audit_keeps_its_last_good_rows_and_holds_nobody_back",),
    ),
    Mutant(
        "failed-view-is-published",
        "the wrong rows of a view that failed its audit are published",
        "transforms/copying.py",
        "if view_name(model) in failed else",
        "if view_name(model) in () else",
        (f"{_AUDITS}test_a_view_that_fails_an_audit_keeps_its_last_good_rows_and_holds_nobody_back",),
    ),
    Mutant(
        "failed-refresh-says-nothing",
        "the status says that all is well although the last refresh failed",
        "bluelake/lake/status/parts.py",
        "if refresh is not None and not refresh.ok:",
        "if refresh is None:",
        ("tests/lake/status/test_parts.py::test_a_refresh_that_failed_is_a_warning_that_names_what_is_held_back",),
    ),
)
