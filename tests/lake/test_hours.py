"""The UTC hour: start, end, partition, label, and the ways to make one."""

from datetime import date

import pytest

from bluelake.lake.hours import HOUR_US, Hour

NOON_US = 1_783_166_400_000_000  # 2026-07-04T12:00:00Z
PARTITION = {"year": "2026", "month": "07", "day": "04", "hour": "12"}


def test_an_hour_has_a_start_an_end_a_partition_and_a_label() -> None:
    noon = Hour(NOON_US)
    assert (noon.start_us, noon.end_us) == (NOON_US, NOON_US + 3_600_000_000)
    assert noon.partition == PARTITION
    assert list(noon.partition) == ["year", "month", "day", "hour"]
    assert (noon.label, str(noon), noon.day) == ("2026-07-04T12", "2026-07-04T12", date(2026, 7, 4))


@pytest.mark.parametrize(
    ("time_us", "label"),
    [
        (NOON_US, "2026-07-04T12"),
        (NOON_US + HOUR_US - 1, "2026-07-04T12"),
        (NOON_US - 1, "2026-07-04T11"),
        (0, "1970-01-01T00"),
        (-1, "1969-12-31T23"),
        (-62_135_596_800_000_000, "0001-01-01T00"),
        (253_402_300_799_999_999, "9999-12-31T23"),
    ],
    ids=["its-first-microsecond", "its-last", "the-hour-before", "1970", "before-1970", "year-1", "year-9999"],
)
def test_a_time_belongs_to_one_hour(time_us: int, label: str) -> None:
    hour = Hour.of(time_us)
    assert hour.label == label
    assert hour.start_us <= time_us < hour.end_us


@pytest.mark.parametrize("time_us", [NOON_US, 0, -HOUR_US, -62_135_596_800_000_000])
def test_label_and_partition_lead_back_to_the_hour(time_us: int) -> None:
    hour = Hour(time_us)
    assert Hour.parse(hour.label) == hour
    assert Hour.from_partition(hour.partition) == hour


def test_a_partition_may_have_more_columns_than_the_hours() -> None:
    assert Hour.from_partition({**PARTITION, "user_did": "other"}) == Hour(NOON_US)


def test_hours_are_ordered_by_their_start() -> None:
    labels = ["2026-07-04T12", "2025-12-31T23", "2026-07-04T02"]
    assert [hour.label for hour in sorted(map(Hour.parse, labels))] == [
        "2025-12-31T23",
        "2026-07-04T02",
        "2026-07-04T12",
    ]


@pytest.mark.parametrize(
    "label", ["", "2026-07-04", "2026-07-04T24", "2026-02-30T00", "26-07-04T12", "2026-07-04T12:00"]
)
def test_what_is_no_label_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match=r"does not match format|day is out of range|unconverted data"):
        Hour.parse(label)


@pytest.mark.parametrize("missing", list(PARTITION))
def test_a_partition_needs_all_four_values(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        Hour.from_partition({name: value for name, value in PARTITION.items() if name != missing})


def test_a_start_within_an_hour_is_refused() -> None:
    with pytest.raises(ValueError, match=f"{NOON_US + 1}: not the start of an hour"):
        Hour(NOON_US + 1)
