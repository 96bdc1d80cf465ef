"""Times as microseconds and as datetimes."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelake.core import clock
from bluelake.core.clock import now_us, to_datetime, to_us

FIRST_US = -62_135_596_800_000_000  # 0001-01-01T00:00:00Z
LAST_US = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z


@given(st.integers(FIRST_US, LAST_US))
def test_microseconds_come_back_exactly(microseconds: int) -> None:
    moment = to_datetime(microseconds)

    assert moment.utcoffset() == timedelta(0)
    assert to_us(moment) == microseconds


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    tokyo = datetime(2026, 7, 4, 21, 0, 0, 1, tzinfo=timezone(timedelta(hours=9)))

    assert to_us(tokyo) == 1_783_166_400_000_001
    assert to_datetime(1_783_166_400_000_001) == datetime(2026, 7, 4, 12, 0, 0, 1, tzinfo=UTC)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        to_us(datetime(2026, 7, 4))


def test_now_is_what_the_system_says() -> None:
    before = datetime.now(UTC)
    now = to_datetime(now_us())

    # The system's datetime may round where this one cuts off.
    assert before - timedelta(microseconds=1) <= now <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("offset", "step"), [("-90.5", timedelta(seconds=-90.5)), ("7200\n", timedelta(hours=2)), ("", timedelta())]
)
def test_a_step_moves_the_time_and_not_what_dates_files(
    offset: str, step: timedelta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "clock"
    file.write_text(offset)
    monkeypatch.setattr(clock, "_offset_file", str(file))

    before = datetime.now(UTC) - timedelta(microseconds=1)
    now, file_now = clock.now(), clock.file_now()
    after = datetime.now(UTC)

    assert before + step <= now <= after + step
    assert now.utcoffset() == timedelta(0)
    assert before <= file_now <= after
