"""The UTC hour: the unit in which the lake stores, seals and purges rows.

Each table is partitioned by the hour of `event_at`. An hour has a start, an end, a partition and a label:

    >>> hour = Hour.of(1_783_166_461_000_000)
    >>> hour.label
    '2026-07-04T12'
    >>> hour.partition
    {'year': '2026', 'month': '07', 'day': '04', 'hour': '12'}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from bluelake.core.clock import to_datetime, to_us
from bluelake.lake.tables import HOUR_PARTITION

HOUR_US = 3_600_000_000


@dataclass(frozen=True, order=True, slots=True)
class Hour:
    """One hour, UTC. `start_us`: when it begins, microseconds since 1970.

    Hours are equal and ordered by their start. Raises ValueError for a start that is not a full hour.
    """

    start_us: int

    def __post_init__(self) -> None:
        if self.start_us % HOUR_US:
            raise ValueError(f"{self.start_us}: not the start of an hour; use Hour.of for a time within it")

    @classmethod
    def of(cls, time_us: int) -> "Hour":
        """The hour that holds `time_us`, microseconds since 1970."""
        return cls(time_us - time_us % HOUR_US)

    @classmethod
    def parse(cls, label: str) -> "Hour":
        """The hour with this label (`2026-07-04T12`). Raises ValueError."""
        return cls(to_us(datetime.strptime(label, "%Y-%m-%dT%H").replace(tzinfo=UTC)))

    @classmethod
    def from_partition(cls, values: Mapping[str, str]) -> "Hour":
        """The hour of a partition: `year`, `month`, `day`, `hour`; other keys are ignored. Raises KeyError, ValueError."""
        year, month, day, hour = (int(values[name]) for name in HOUR_PARTITION)
        return cls(to_us(datetime(year, month, day, hour, tzinfo=UTC)))

    @property
    def end_us(self) -> int:
        """When the hour is over, and the next begins, microseconds since 1970."""
        return self.start_us + HOUR_US

    @property
    def partition(self) -> dict[str, str]:
        """The partition's values, zero-padded. Raises OverflowError outside the years 1 to 9999."""
        start = to_datetime(self.start_us)
        # strftime pads a year below 1000 on some C libraries only.
        values = (f"{start.year:04}", f"{start.month:02}", f"{start.day:02}", f"{start.hour:02}")
        return dict(zip(HOUR_PARTITION, values, strict=True))

    @property
    def label(self) -> str:
        """The hour as people and files name it: `2026-07-04T12`."""
        return "{year}-{month}-{day}T{hour}".format(**self.partition)

    @property
    def day(self) -> date:
        """The UTC day that it belongs to."""
        return to_datetime(self.start_us).date()

    def __str__(self) -> str:
        return self.label
