"""The spans of time that a recording really holds, found by the pauses between its events."""

import numpy as np

_SHORTEST_PAUSE_US = 1_000_000


class Coverage:
    """Runs of events without a pause of more than `pause_us` microseconds.

    Example: events at 0 s, 55 s, 110 s and 1000 s, and a pause of 60 s. The runs are 0 s to 110 s, and 1000 s alone.
    Memory grows with the covered time, not with the events: a bucket of `pause_us` keeps its first and its last time.
    """

    def __init__(self, pause_us: int) -> None:
        self._pause_us = max(pause_us, _SHORTEST_PAUSE_US)
        self._buckets: dict[int, tuple[int, int]] = {}

    def add(self, times: list[int]) -> None:
        """Add the times of some events, microseconds since 1970, in any order."""
        if not times:
            return
        ordered = np.sort(np.array(times, dtype=np.int64))
        numbers, starts = np.unique(ordered // self._pause_us, return_index=True)
        ends = [*(starts[1:] - 1).tolist(), len(ordered) - 1]
        for number, start, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True):
            first, last = int(ordered[start]), int(ordered[end])
            known = self._buckets.get(number, (first, last))
            self._buckets[number] = (min(first, known[0]), max(last, known[1]))

    def spans(self) -> list[tuple[int, int]]:
        """First and last time of each run, microseconds since 1970, the oldest first."""
        found: list[tuple[int, int]] = []
        for _, (first, last) in sorted(self._buckets.items()):
            if found and first - found[-1][1] <= self._pause_us:
                found[-1] = (found[-1][0], last)
            else:
                found.append((first, last))
        return found
