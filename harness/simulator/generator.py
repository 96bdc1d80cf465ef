"""The generator: a timeline of events as a function of a seed and a schedule, and of nothing else."""

import random
from collections.abc import Callable, Iterator

from harness.simulator.activity import NEVER_US, Arrivals, Schedule
from harness.simulator.commits import Commits
from harness.simulator.composer import Composer
from harness.simulator.events import Event
from harness.simulator.identifiers import CidSource
from harness.simulator.imports import Imports
from harness.simulator.options import DEFAULT_ACCOUNTS, DEFAULT_SEED
from harness.simulator.population import Population
from harness.simulator.standing import SkewedClocks, Standing
from harness.simulator.stories import Shares, Stories
from harness.simulator.texts import Writer
from harness.simulator.vocabulary import Vocabulary

# Events of each kind among 10,000. The creates of likes, posts, reposts, follows and blocks are to each other as
# 68 : 11 : 8 : 10 : 3.
_SHARES = {
    "like": 6317,
    "post": 1022,
    "repost": 743,
    "follow": 929,
    "block": 279,
    "delete": 600,
    "profile": 60,
    "update_post": 10,
    "identity": 20,
    "account": 20,
}
# Jetstream serves neighbours out of order by up to this much.
_JITTER_US = 4_000


class Generator:
    """Makes events one after the other, in serving order.

    Two generators with the same seed, number of accounts and schedule make the same events, whatever the clock says and
    however often they are asked. Per account, time and rev strictly increase, but for what a reset serves again.

    sync_share, hard_cases, doubled_creates, resyncs: shares of the events that begin a story of that kind
    (`harness.simulator.stories`). imported_times: share of the creates that begin a run of imported times.
    skewed_clocks: share of the identity and account events with a wrong claim of time.
    """

    def __init__(
        self,
        seed: int,
        schedule: Schedule,
        accounts: int = DEFAULT_ACCOUNTS,
        *,
        sync_share: float = 0.0,
        hard_cases: float = 0.0,
        doubled_creates: float = 0.0,
        resyncs: float = 0.0,
        imported_times: float = 0.0,
        skewed_clocks: float = 0.0,
    ) -> None:
        rng = random.Random(f"events {seed}")
        vocabulary = Vocabulary(rng)
        population = Population(rng, vocabulary, accounts)
        cids = CidSource(rng)
        composer = Composer(rng, Writer(rng, vocabulary), population, cids)
        commits = Commits(rng, population, composer, cids, schedule.start_us)
        standing = Standing(rng, population, SkewedClocks(random.Random(f"clocks {seed}"), skewed_clocks))
        self._stories: Stories | None = None
        shares = Shares(sync_share, hard_cases, doubled_creates, resyncs)
        if any(shares):
            drawn = random.Random(f"stories {seed}")
            self._stories = Stories(drawn, population, composer, cids, commits, standing, shares)
        self._imports = Imports(random.Random(f"imports {seed}"), imported_times) if imported_times else None
        self._arrivals = Arrivals(schedule, random.Random(f"arrivals {seed}"))
        self._random = rng.random
        self._makers: list[Callable[[int], Event]] = []
        for name, share in _SHARES.items():
            self._makers += [getattr(commits if hasattr(commits, name) else standing, name)] * share

    @property
    def next_us(self) -> int:
        """About when the next event happens, microseconds since 1970; NEVER_US if none does."""
        return self._arrivals.next_us

    def next_event(self) -> Event:
        """The next event. To be asked only where `next_us` is not NEVER_US."""
        random_, makers = self._random, self._makers
        time_us = self._arrivals.next_us - int(random_() * _JITTER_US)
        self._arrivals.advance()
        event = None if self._stories is None else self._stories.next_event(time_us)
        is_ordinary = event is None
        if event is None:
            event = makers[int(random_() * len(makers))](time_us)
        return event if self._imports is None else self._imports.pass_on(event, may_import=is_ordinary)

    def until(self, end_us: int, most: int) -> list[Event]:
        """The next events that happen up to `end_us`, at most `most` of them."""
        found: list[Event] = []
        while self._arrivals.next_us <= end_us and len(found) < most:
            found.append(self.next_event())
        return found


def generate_events(
    count: int, seed: int = DEFAULT_SEED, start_us: int = 0, rate: float = 967.0, accounts: int = DEFAULT_ACCOUNTS
) -> Iterator[Event]:
    """`count` events from `start_us` (microseconds since 1970) on, at a mean of `rate` events a second."""
    generator = Generator(seed, Schedule(start_us, start_us, 0.0, rate), accounts)
    for _ in range(count if generator.next_us != NEVER_US else 0):
        yield generator.next_event()


def generate_frames(
    count: int, seed: int = DEFAULT_SEED, start_us: int = 0, rate: float = 967.0, accounts: int = DEFAULT_ACCOUNTS
) -> Iterator[bytes]:
    """The frames of `generate_events`, as they are served: JSON without a line's end."""
    for event in generate_events(count, seed, start_us, rate, accounts):
        yield event.frame
