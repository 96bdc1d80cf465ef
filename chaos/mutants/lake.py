"""Defects of what is current, of the seal, the maintenance and the publication."""

from chaos.mutants.mutant import Mutant

_RELATIONS = "tests/lake/test_relations.py"
_SEAL = "tests/lake/test_seal.py::"
_MAINTENANCE = "tests/lake/test_maintenance.py::"

MUTANTS = (
    Mutant(
        "tombstone-ignored",
        "a deleted record still shows",
        "lake/sql/current_records.sql",
        "d.rkey = r.rkey AND d.rev > r.rev)",
        "d.rkey = r.rkey AND d.rev > r.rev AND false)",
        (_RELATIONS, "chaos 23 kill-drain"),
    ),
    Mutant(
        "tombstone-by-time",
        "a delete removes what was seen before it, by the hosts' clocks, and not what has a lower rev",
        "lake/sql/current_records.sql",
        "d.rkey = r.rkey AND d.rev > r.rev)",
        "d.rkey = r.rkey AND d.event_at > r.event_at)",
        (_RELATIONS,),
    ),
    Mutant(
        "sync-ignored",
        "the reset of a repository hides nothing",
        "lake/sql/current_records.sql",
        "AND s.did = r.did AND s.rev > r.rev)",
        "AND s.did = r.did AND s.rev > r.rev AND false)",
        (_RELATIONS,),
    ),
    Mutant(
        "account-status-by-host-clock",
        "an account's newest status is the one with the latest time of a host's clock",
        "lake/sql/hidden_accounts.sql",
        "arg_max(active, (coalesce(created_at, event_at), coalesce(seq, -1)))",
        "arg_max(active, event_at)",
        (f"{_RELATIONS}::test_an_accounts_status_is_the_relays_newest_whatever_the_hosts_clocks_say",),
    ),
    Mutant(
        "update-shows-the-old-text",
        "an edited post shows what it said first",
        "lake/sql/current_posts.sql",
        "QUALIFY row_number() OVER (PARTITION BY did, rkey ORDER BY rev DESC) = 1",
        "QUALIFY row_number() OVER (PARTITION BY did, rkey ORDER BY rev) = 1",
        (_RELATIONS, "chaos 23 kill-drain"),
    ),
    Mutant(
        "seal-drops-late-rows",
        "a seal takes out of an hour also the files that a drain added meanwhile",
        "lake/store.py",
        "(_remove(file, path, now_ms) for file in replaced),",
        "(_remove(f, path, now_ms) for f in self._live_at(table.name, delta).files if f.hour == replaced[0].hour),",
        (f"{_SEAL}test_appends_beside_a_loop_of_seals_lose_no_row_and_fail_neither",),
    ),
    Mutant(
        "seal-overwrites-another-seal",
        "two rewrites of one file are both taken, and its rows are there twice",
        "lake/store.py",
        "if not {file.path for file in replaced} <= self._live_at(table.name, delta).by_path.keys():",
        "if not replaced:",
        (f"{_SEAL}test_two_rewrites_of_one_file_are_not_both_taken",),
    ),
    Mutant(
        "seal-keeps-duplicates",
        "rows that came twice stay twice in a sealed hour",
        "lake/seal.py",
        '        if found is not None and found[0]:\n            return ""',
        '        if found is not None:\n            return ""',
        (f"{_SEAL}test_rows_that_came_twice_fall_out",),
    ),
    Mutant(
        "heavy-authors-file-lost",
        "the file of an author with very many posts is written and not committed",
        "lake/store.py",
        "(add_action(file, now_ms) for file in added),",
        '(add_action(f, now_ms) for f in added if f.partition.get("user_did", "other") == "other"),',
        (f"{_SEAL}test_authors_of_very_many_posts_get_a_file_of_their_own",),
    ),
    Mutant(
        "seal-confirms-too-early",
        "a sealed hour is noted before its commit is on the disk",
        "lake/store.py",
        '            crash_point("mid-seal-commit")\n            return self._settle(table, version)',
        '            crash_point("mid-seal-commit")\n            return Commit(version, 0, 0, tuple(f.path for f in added))',
        (f"{_SEAL}test_what_a_seal_says_is_sealed_is_on_the_disk", _SEAL.removesuffix("::")),
    ),
    Mutant(
        "purge-of-suspended-accounts",
        "records of accounts that are only suspended leave the files",
        "lake/sql/purge_gone_accounts.sql",
        "NOT active AND coalesce(status, '') = 'deleted'",
        "NOT active",
        (f"{_SEAL}test_deleted_records_and_deleted_accounts_leave_the_files",),
    ),
    Mutant(
        "keep-ignored",
        "deleted records are purged although BLUELAKE_DELETIONS says keep",
        "lake/purge.py",
        'settings.bluelake_deletions == "purge" and ',
        "",
        (f"{_SEAL}test_whoever_may_keep_deleted_records_keeps_them",),
    ),
    Mutant(
        "vacuum-without-grace",
        "replaced files go at once, under readers that have opened them",
        "lake/vacuum.py",
        "table.vacuum(grace_hours, dry_run=True",
        "table.vacuum(0, dry_run=True",
        (_MAINTENANCE.removesuffix("::"),),
    ),
    Mutant(
        "late-rows-do-not-reopen-an-hour",
        "an hour that got late rows counts as sealed for ever",
        "lake/sealed.py",
        "    return written == {file.path for file in files}",
        "    return bool(written)",
        (f"{_SEAL}test_a_late_row_reopens_its_hour",),
    ),
    Mutant(
        "gap-closed-by-anything",
        "a repair closes a gap wholly, whatever of it it holds",
        "lake/gaps.py",
        "        rows += [(part, gap, None) for part in left]\n",
        "",
        ("tests/lake/test_gaps.py::test_what_is_left_of_a_gap_stays_open",),
    ),
    Mutant(
        "pointer-before-rename",
        "the views' pointer is swapped before the file that it names is there",
        "lake/views.py",
        '    crash_point("before-publish-rename")\n    build_file.rename(file)',
        '    write_durably(folder / "current.json", _to_json(Published(version, file, moment, tuple(views))))\n'
        '    crash_point("before-publish-rename")\n    build_file.rename(file)',
        ("tests/chaos/test_crash_points.py::test_a_publication_that_was_killed_is_the_old_one_or_the_new_one",),
    ),
)
