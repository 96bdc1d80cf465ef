"""How fast events come: whether a stream flows steadily, and whether a host serves less than the network has."""

import json
import logging
from collections import deque
from pathlib import Path

from bluelake.core.clock import now_us
from bluelake.core.files import write_durably

log = logging.getLogger(__name__)

# A stream is steady if a pause as long as a gap is this many times its mean distance between two events.
STEADY_EVENTS = 30
# The weight of one more window in the usual rate.
WEIGHT = 0.2
# With fewer events in a window a low rate can be chance.
JUDGED_EVENTS = 20
# An older rate says nothing of the network of today.
KEPT_US = 7 * 86_400_000_000


class Flow:
    """The recent density of one connection's events, by their own times."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int]] = deque()
        self._total = 0

    def note(self, events: int, last_us: int) -> None:
        """`events` more have come, the last at `last_us`."""
        self._total += events
        self._marks.append((last_us, self._total))
        while len(self._marks) > 2 and self._total - self._marks[1][1] >= STEADY_EVENTS:
            self._marks.popleft()

    @property
    def is_young(self) -> bool:
        """Whether there are too few events to tell."""
        return not self._marks or self._total - self._marks[0][1] < STEADY_EVENTS

    def is_steady(self, pause_us: int) -> bool:
        """Whether a pause of `pause_us` between two events cannot be chance."""
        if self.is_young:
            return False
        first_us, before = self._marks[0]
        return (self._marks[-1][0] - first_us) * STEADY_EVENTS <= pause_us * (self._total - before)


class UsualRate:
    """The network's usual rate in events per second of their own time. `per_second` is None until hosts have taught it.

    A host below `share` of it is slow. Once every host is slow, the network itself has become slower, and its rate is learned
    anew. The file at `path` keeps it: a host that is slow when the ingester starts must not become usual.
    """

    def __init__(self, share: float, hosts: frozenset[str], path: Path) -> None:
        self._path = path
        self.per_second = _kept(path)
        self._share = share
        self._hosts = hosts
        self._no_better: set[str] = set()

    def is_slow(self, host: str, events: int, seconds: float, event_seconds: float) -> bool:
        """Judge `events` that `host` served in `seconds`, in which it alone set the pace, and learn from them.

        `event_seconds`: how far their times went on meanwhile. It is more than `seconds` while the stream catches up.
        """
        least = self._share * (self.per_second or 0.0) * seconds
        if events < least and least >= JUDGED_EVENTS:
            self.no_better(host)
            return self.per_second is not None
        if event_seconds >= seconds / 2:
            rate = events / event_seconds
            self._keep(rate if self.per_second is None else (1 - WEIGHT) * self.per_second + WEIGHT * rate)
            self._no_better.clear()
        return False

    def no_better(self, host: str) -> None:
        """`host` is slow too, or cannot be reached."""
        self._no_better.add(host)
        if self._no_better >= self._hosts:
            if self.per_second is not None:
                self._keep(None)
            self._no_better.clear()

    def _keep(self, per_second: float | None) -> None:
        self.per_second = per_second
        kept = {"per_second": per_second, "at_us": now_us()}
        try:
            write_durably(self._path, json.dumps(kept).encode() + b"\n")
        except OSError as error:
            log.warning("%s cannot be written (%s): the usual rate is learned anew after a restart", self._path, error)


def _kept(path: Path) -> float | None:
    """The rate in the file at `path`. None without one, or where it is too old."""
    try:
        kept = json.loads(path.read_bytes())
        per_second, at_us = float(kept["per_second"] or 0), int(kept["at_us"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        log.warning("%s cannot be read (%s): the usual rate is learned anew", path, error)
        return None
    return per_second if 0 < per_second < float("inf") and abs(now_us() - at_us) <= KEPT_US else None
