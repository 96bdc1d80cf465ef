"""What the next batch takes from the buffer: flushes that continue what is committed, and their entries, within the memory.

Each check raises MissingEntriesError before anything is committed.
"""

from collections import Counter

from bluelake.buffer.chunks import decoded_size
from bluelake.buffer.client import Buffer, Entry, Flush
from bluelake.core.settings import Settings
from bluelake.lake.drain.parser import PARSED_QUEUES
from bluelake.lake.errors import MissingEntriesError
from bluelake.lake.tables import REJECTS

# A batch's decoded frames fit so many times into DuckDB's memory: they lie beside it as text, as columns, and sorted.
MEMORY_SHARE = 8


class Source:
    """The buffer, as a drain reads it batch by batch."""

    def __init__(self, buffer: Buffer, settings: Settings) -> None:
        self._buffer = buffer
        self._max_events = settings.drain_max_events
        self._memory_bytes = settings.duckdb_memory_bytes

    def take(self, low: int, target: int, least: int) -> list[Flush]:
        """The flushes of the next batch, checked to continue one another and what is committed."""
        taken: list[Flush] = []
        events, previous = 0, low
        for flush in self._buffer.flushes(low):
            if flush.number > target:
                break
            linked = flush.continues <= low if not taken else flush.continues == previous
            if not linked:
                raise MissingEntriesError(
                    f"flush {flush.number} continues {flush.continues}, but the one before it is {previous}: the "
                    "flushes between are gone from Redis and not in the lake. Nothing was committed. Run `bluelake "
                    "buffer reset`: the ingester then resumes from the lake's watermark (docs/operations.md)"
                )
            taken.append(flush)
            previous = flush.number
            events += sum(flush.counts.values())
            if events >= self._max_events and flush.number >= least:
                break
        return taken

    def read(self, flushes: list[Flush], least: int) -> dict[str, list[Entry]]:
        """The entries of `flushes` by queue, checked against what the flushes announced.

        What lies before the first of them belongs to none: the ingester went on from the lake, and fetched it again.
        Flushes are taken off the end of `flushes` until what is left fits the memory, decoded, or is only one or ends at
        `least`: a few frames can be as large as very many, and compress to nearly nothing.
        """
        bound = self._memory_bytes // MEMORY_SHARE
        sizes: Counter[int] = Counter()
        total = 0
        read: dict[str, list[Entry]] = {}
        for queue in (*PARSED_QUEUES, REJECTS.name):
            read[queue] = []
            for entry in self._buffer.read(queue, flushes[0].number - 1, flushes[-1].number):
                if entry.flush > flushes[-1].number:
                    break
                read[queue].append(entry)
                size = decoded_size(entry.chunk.z)
                sizes[entry.flush] += size
                total += size
                while total > bound and len(flushes) > 1 and flushes[-1].number > least:
                    total -= sizes[flushes.pop().number]
        last = flushes[-1].number
        entries = {queue: [entry for entry in found if entry.flush <= last] for queue, found in read.items()}
        for queue, found in entries.items():
            _check(queue, found, flushes)
        return {queue: found for queue, found in entries.items() if found}


def _check(queue: str, found: list[Entry], flushes: list[Flush]) -> None:
    """Raises MissingEntriesError unless `found` is what `flushes` announced of `queue`."""
    counts: Counter[int] = Counter()
    for entry in found:
        counts[entry.flush] += entry.chunk.n
    announced = Counter({flush.number: flush.counts[queue] for flush in flushes if queue in flush.counts})
    if counts != announced:
        wrong = sorted(flush for flush in {*counts, *announced} if counts[flush] != announced[flush])
        raise MissingEntriesError(
            f"{queue}: flush {wrong[0]} announced {announced[wrong[0]]} events and Redis holds "
            f"{counts[wrong[0]]}. Nothing was committed. Run `bluelake buffer reset`: the ingester then resumes "
            "from the lake's watermark (docs/operations.md)"
        )
