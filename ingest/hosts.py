"""All configured hosts: which one is next, and where a connection to it begins."""

import logging
import time
from collections.abc import Mapping

from bluelake.core.settings import Settings
from bluelake.core.watermark import Cursor
from ingest.clocks import SuspectSpan, resume_position
from ingest.compression import named_dictionary
from ingest.continuity import Network
from ingest.host import HostState
from ingest.progress import Progress
from ingest.rates import UsualRate

log = logging.getLogger(__name__)


class Hosts:
    """The hosts by URL, in the order of the settings. All followers share it.

    `compared`: how many are read at once. `network`: whether the network's events come steadily. `usual`: the network's usual
    rate. `suspect`: the span that a slow host may have served only in part, None without any. `dictionary`: the one that the
    settings name for v1 hosts, None without any. Raises ConfigurationError where that is none.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.states = {url: HostState.configured(url, settings) for url in dict.fromkeys(settings.jetstream_urls)}
        self.compared = min(settings.bluelake_hosts_compared, len(self.states))
        self.network = Network()
        self.usual = UsualRate(settings.host_slow_share, frozenset(self.states), settings.home / "ingest-rate.json")
        self.suspect: SuspectSpan | None = None
        self.dictionary = named_dictionary(settings)
        self._told_plain = False

    def read_plain(self, state: HostState) -> None:
        """`state` has no dictionary, so it is read without compression. The log says so once, not for each host."""
        state.compression.give_up()
        if not self._told_plain:
            self._told_plain = True
            log.warning(
                "%s offers no compression dictionary, and is read plain; JETSTREAM_DICTIONARY can name one (docs/settings.md)",
                state.name,
            )

    def resume(self, cursors: Mapping[str, Cursor]) -> None:
        """The ingester continues from `cursors`, by host name."""
        for state in self.states.values():
            state.resume(cursors.get(state.name))

    def take(self, last: HostState | None, *, stay: bool, wanted: str | None = None) -> HostState:
        """The host to connect to next, held until `release`: the `wanted` URL, `last` again, or the next one."""
        states, now = list(self.states.values()), time.monotonic()
        turn = 0 if last is None else states.index(last) + 1
        order = [state for state in (*states[turn:], *states[:turn]) if not state.is_taken]
        chosen = next((state for state in order if state.url == wanted and state.rests_until <= now), None)
        if chosen is None and stay and last in order:
            chosen = last
        if chosen is None:
            awake = [state for state in order if state.rests_until <= now]
            chosen = awake[0] if awake else min(order, key=lambda state: state.rests_until)
        chosen.is_taken = True
        return chosen

    def release(self, state: HostState) -> None:
        """Other followers can take the host again."""
        state.is_taken = False

    def others(self, url: str) -> list[HostState]:
        """The hosts that could be taken in place of `url`."""
        return [state for state in self.states.values() if state.url != url and not state.is_taken]

    def beside(self, url: str) -> list[HostState]:
        """The hosts that are read beside `url`."""
        return [state for state in self.states.values() if state.url != url and state.is_connected]

    def served(self, state: HostState, begun_us: int, last_us: int) -> None:
        """A connection to `state` was read from `begun_us` to `last_us`, by its own clock. It may cover the suspect span."""
        lag_us = state.lag.us
        if self.suspect is not None and self.suspect.is_covered(state.url, begun_us - lag_us, last_us - lag_us):
            self.suspect = None

    def position(self, state: HostState, progress: Progress, now_us: int) -> Cursor:
        """Where a connection to `state` begins."""
        suspect = None if self.suspect is None or self.suspect.url == state.url else self.suspect
        skip = state.skip
        return resume_position(
            now_us=now_us,
            start_us=progress.start_us,
            newest_us=progress.newest_us(now_us),
            own=progress.cursors.get(state.name),
            lag_us=state.lag.us,
            rewind_us=self._settings.rewind_us,
            failover_rewind_us=self._settings.failover_rewind_us,
            asks_by_number=state.wire.name == "v2" and not state.numbering.is_too_old,
            renumbered_seq=state.numbering.renumbered_seq,
            suspect_from_us=None if suspect is None else suspect.from_us,
            skip_to_us=skip.position_us if skip is not None and not skip.passed_us else None,
            skipped_us=skip.passed_us if skip is not None and skip.passed_us else None,
        )
