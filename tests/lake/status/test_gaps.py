"""Gaps: the status shows each until it is repaired."""

from datetime import UTC, datetime, timedelta

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.delta import Store
from bluelake.lake.drain import drain
from bluelake.lake.status import read_gaps, status
from bluelake.lake.status.gaps import missing_seconds
from repair import close_gaps
from tests.support.frames import NOON_US
from tests.support.gaps import notice

SECOND = 1_000_000


def test_the_same_span_at_two_hosts_is_two_gaps_that_are_missing_once(buffer: Buffer, settings: Settings) -> None:
    notice(buffer, 0, 600)
    notice(buffer, 0, 600, host="ws://two")
    notice(buffer, 500, 700, cause="cursor_too_old")
    drain(settings)
    gaps = read_gaps(settings, Store(settings.lake_dir))
    assert len(gaps) == 3
    assert missing_seconds(gaps) == 700
    assert gaps[0].from_at == datetime(2026, 7, 4, 12, tzinfo=UTC) + timedelta(seconds=500)


def test_status_tells_of_open_gaps(buffer: Buffer, settings: Settings) -> None:
    assert next(part for part in status(settings) if part.name == "gaps").state == "ok"
    notice(buffer, 0, 600)
    drain(settings)
    (part,) = (part for part in status(settings) if part.name == "gaps")
    assert (part.ok, part.state) == (True, "warning")
    assert "1 open, 600 s in all" in part.detail
    assert "2026-07-04T12:00:00Z to 2026-07-04T12:10:00Z, host_skipped at ws://one" in part.detail
    close_gaps(
        settings, Store(settings.lake_dir), [(NOON_US, NOON_US + 600 * SECOND)], datetime(2026, 7, 5, tzinfo=UTC)
    )
    (part,) = (part for part in status(settings) if part.name == "gaps")
    assert (part.state, part.detail) == ("ok", "none open, 1 repaired")
