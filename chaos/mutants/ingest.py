"""Defects of the ingester and the buffer."""

from chaos.mutants.mutant import Mutant

_INGESTER = "tests/ingest/test_ingester.py::"
_FAILOVER = "tests/ingest/test_failover.py::"

MUTANTS = (
    Mutant(
        "flush-number-unchecked",
        "a flush is written whatever Redis stands at: two ingesters undo each other, an emptied Redis is not noticed",
        "buffer/lua/flush.lua",
        "if tonumber(found or '0') ~= tonumber(ARGV[1]) then",
        "if false then",
        ("tests/buffer/test_client.py",),
    ),
    Mutant(
        "trim-takes-one-more",
        "the trim removes the flush after the last one that was drained",
        "buffer/lua/trim.lua",
        "string.format('%.0f', tonumber(last) + 1) .. '-0'",
        "string.format('%.0f', tonumber(last) + 2) .. '-0'",
        ("tests/buffer/test_client.py", "tests/lake/test_drain.py::test_a_long_backlog_is_taken_in_several_commits"),
    ),
    Mutant(
        "no-rewind",
        "a resume begins at its cursor, and what the host served out of order before it is missed",
        "ingest/hosts.py",
        "rewound_us = own.time_us - int(self._settings.rewind_seconds * 1e6)",
        "rewound_us = own.time_us",
        (f"{_INGESTER}test_the_first_run_starts_where_it_is_told_and_a_restart_resumes_by_cursor",),
    ),
    Mutant(
        "no-failover-rewind",
        "another host takes over at the newest cursor, whose clock is another one",
        "ingest/hosts.py",
        "failover_us = newest_us - int(self._settings.failover_rewind_seconds * 1e6)",
        "failover_us = newest_us",
        (f"{_FAILOVER}test_another_host_takes_over_by_time_and_each_keeps_its_own_cursor",),
    ),
    Mutant(
        "sequence-number-of-another-host",
        "a switch resumes by the sequence number of the host that was left",
        "ingest/hosts.py",
        "            return Cursor(failover_us)\n        rewound_us",
        "            other = next(iter(self._flusher.cursors.values()))\n"
        '            return Cursor(failover_us, other.seq if self.wire_name(url) == "v2" else None)\n        rewound_us',
        (
            f"{_FAILOVER}test_another_host_takes_over_by_time_and_each_keeps_its_own_cursor",
            "tests/ingest/test_wires.py",
        ),
    ),
    Mutant(
        "offered-ignored",
        "flush numbers that the lake was offered are used again for other events after Redis lost its memory",
        "ingest/flusher.py",
        "self.number = max(state.flush, watermark.offered) + 1",
        "self.number = state.flush + 1",
        (f"{_INGESTER}test_an_emptied_redis_is_noticed_and_refilled_from_the_lakes_watermark",),
    ),
    Mutant(
        "cursor-saved-first",
        "the cursor moves on before its flush is written: what a failed flush held is skipped",
        "ingest/flusher.py",
        "                cursors[host] = Cursor(min(cursor.time_us, self.clock_us()), cursor.seq)",
        "                cursors[host] = Cursor(self.clock_us(), None if cursor.seq is None else cursor.seq + 1000)",
        (
            "tests/ingest/test_restart.py",
            f"{_INGESTER}test_the_first_run_starts_where_it_is_told_and_a_restart_resumes_by_cursor",
        ),
    ),
    Mutant(
        "one-odd-time-moves-the-cursor",
        "a single frame with a time ahead of the others moves the cursor past them",
        "ingest/pending.py",
        "return Cursor(median_low(times), ",
        "return Cursor(times[-1], ",
        ("tests/ingest/test_pending.py",),
    ),
    Mutant(
        "sigterm-without-flush",
        "what was received and not yet flushed is dropped at SIGTERM",
        "ingest/session.py",
        "        await self.start_flush()\n        await self.settle()\n\n    async def abandon",
        "        self._pending = Pending()\n        await self.settle()\n\n    async def abandon",
        ("tests/ingest/test_restart.py::test_stopped_it_flushes_what_it_has",),
    ),
    Mutant(
        "gap-unreported",
        "a gap is crossed without a notice",
        "ingest/session.py",
        "            if bounds is not None:\n                self.add_gap(*bounds, hole.cause)",
        "            if bounds is None:\n                pass",
        (f"{_FAILOVER}test_what_no_host_has_is_one_gap_the_smallest_and_a_restart_does_not_note_it_again",),
    ),
    Mutant(
        "jump-unnoticed",
        "a jump of a steady stream's times is taken for a quiet network",
        "ingest/continuity.py",
        "return None if not is_steady else Hole(",
        "return None if not is_steady or self.last_us else Hole(",
        (f"{_FAILOVER}test_what_one_host_skipped_another_one_serves",),
    ),
    Mutant(
        "late-start-unnoticed",
        "a host that silently begins later than it was asked to is believed",
        "ingest/continuity.py",
        "            return Hole(start_us, time_us, cause, 0 if self.is_outdated else self.gap_us)",
        "            return None",
        (f"{_INGESTER}test_a_replay_that_starts_too_late_is_a_gap",),
    ),
    Mutant(
        "gap-threshold-ignored",
        "every pause between two events is a gap",
        "ingest/continuity.py",
        "self.gap_us = int(gap_seconds * 1e6)",
        "self.gap_us = 1",
        (f"{_FAILOVER}test_one_event_with_an_odd_time_and_a_slow_stream_are_no_gaps", _INGESTER.removesuffix("::")),
    ),
    Mutant(
        "cursor-too-old-swallowed",
        "a sequence number that the host no longer has is followed by time, and nobody notes what is missing",
        "ingest/continuity.py",
        "GapCause.CURSOR_TOO_OLD if self.is_outdated else GapCause.REPLAY_STARTS_LATE\n"
        "            return Hole(start_us, time_us, cause, 0 if self.is_outdated else self.gap_us)",
        "GapCause.CURSOR_TOO_OLD if self.is_outdated else GapCause.REPLAY_STARTS_LATE\n"
        "            return None if self.is_outdated else Hole(start_us, time_us, cause, self.gap_us)",
        ("tests/ingest/test_wires.py::test_a_sequence_number_that_is_too_old_is_followed_by_time_and_is_a_gap",),
    ),
    Mutant(
        "no-other-host-asked-for-a-gap",
        "a hole becomes a gap although another host has what lies in it",
        "ingest/gaps.py",
        "        self._try_elsewhere(url, hole, start_us)\n",
        "",
        (f"{_FAILOVER}test_what_one_host_skipped_another_one_serves",),
    ),
    Mutant(
        "compared-hosts-one-only",
        "of the hosts that are to be read at once only one is",
        "ingest/ingester.py",
        "for _ in range(self._hosts.compared)",
        "for _ in range(1)",
        (f"{_FAILOVER}test_two_hosts_are_read_at_once_and_their_union_is_taken",),
    ),
    Mutant(
        "silent-host-kept",
        "a host that is open and sends nothing is never left",
        "ingest/follower.py",
        "now - session.waiting_since >= settings.host_silent_seconds:",
        "now - session.waiting_since >= 1e9:",
        (f"{_FAILOVER}test_a_silent_host_is_left",),
    ),
    Mutant(
        "high-water-mark-ignored",
        "a buffer past its high-water mark does not stop the reading",
        "ingest/flusher.py",
        "            if held < self._high_water_bytes:",
        "            if held >= 0:",
        (f"{_INGESTER}test_a_full_buffer_stops_the_reading_and_evicts_nothing",),
    ),
    Mutant(
        "full-redis-drops-the-flush",
        "a flush that Redis has no room for is dropped",
        "ingest/flusher.py",
        "                    if self._stopping.is_set():\n                        raise",
        "                    if isinstance(error, BufferFullError):\n                        break\n"
        "                    if self._stopping.is_set():\n                        raise",
        (
            "tests/ingest/test_pressure.py::test_a_redis_at_its_memory_limit_stops_the_reading_evicts_nothing_and_loses_nothing",
        ),
    ),
    Mutant(
        "rejects-not-kept",
        "a frame that is no event is counted and thrown away",
        "ingest/session.py",
        '        return self._pending.add_notice("rejects", reject_notice(frame, reason, received_us), received_us)\n',
        "        return 0\n",
        (f"{_INGESTER}test_a_frame_that_is_no_event_is_kept_and_counted",),
    ),
    Mutant(
        "sync-dropped",
        "the reset of a repository does not reach the lake",
        "ingest/wire_v2.py",
        '        return "deletes", tombstone % (did, time_us, bytes(payload.sync.rev), seq), time_us, seq',
        "        return Rejected(RejectReason.UNKNOWN_KIND)",
        ("tests/ingest/test_wire_v2.py::test_a_sync_is_the_delete_of_a_whole_repository",),
    ),
)
