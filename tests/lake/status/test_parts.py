"""The parts of seal and maintenance: a run that failed, one that is overdue, and history that has just come."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest
from deltalake.exceptions import DeltaError

from bluelake.core.settings import Settings
from bluelake.core.status import read_status, report
from bluelake.lake.compaction import maintain, seal
from bluelake.lake.delta import Store
from bluelake.lake.delta.log import entries
from bluelake.lake.status.collector import Collector
from bluelake.lake.status.parts import Part, maintain_part, seal_part, status, views_part
from bluelake.lake.tables import POSTS
from tests.support.lakes import Lake
from tests.support.published import publish_view
from tests.support.rows import NOON, SECOND, post

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def say(lake_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets a task report its status at a given time."""

    def at(moment: datetime, task: str, *, ok: bool = True) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("bluelake.core.status.now_us", lambda: round(moment.timestamp() * 1e6))
            report(lake_settings, task, ok=ok, state="done" if ok else "failed", message="that is all")

    return at


def came(settings: Settings, at: datetime) -> None:
    """Let the newest files of posts have been written at `at`, and not by the clock of this machine."""
    entry = entries(settings.lake_dir / POSTS.name)[-1]
    written = f'"modificationTime":{round(at.timestamp() * 1000)}'
    text, count = re.subn(r'"modificationTime":\d+', written, entry.read_text())
    assert count == 1
    entry.write_text(text)


def sealing(settings: Settings, now: datetime) -> Part:
    return seal_part(Collector(settings, Store(settings.lake_dir)).seal(now), now)


def maintaining(settings: Settings, now: datetime) -> Part:
    return maintain_part(Collector(settings, Store(settings.lake_dir)).maintain(), now)


def viewing(settings: Settings, now: datetime) -> Part:
    return views_part(Collector(settings, Store(settings.lake_dir)).views(), now)


@pytest.mark.parametrize("sealed_well", [False, True])
def test_an_hour_that_no_seal_takes_is_a_warning_whatever_was_said(
    sealed_well: bool, lake_settings: Settings, say: Callable[..., None]
) -> None:
    Lake(lake_settings).write([post("x")])
    came(lake_settings, NOON + 5 * SECOND)
    # The hour ends at 13:00 and is open for half an hour more.
    late = NOON + 4.5 * HOUR
    if sealed_well:
        say(late - 60 * SECOND, "seal")
    assert sealing(lake_settings, NOON + 1.4 * HOUR).state == "sealed"
    assert sealing(lake_settings, late).state == "waiting"
    part = sealing(lake_settings, late + SECOND)
    assert (part.ok, part.state) == (True, "warning")
    assert part.detail.startswith(
        "1 hours wait to be sealed, the oldest 2026-07-04T12; the first could be sealed 3 h ago"
    )


def test_history_that_has_just_come_is_not_late(lake_settings: Settings) -> None:
    """As in the first hours of a demo, or of a backfill."""
    arrived = NOON + 30 * DAY
    lake = Lake(lake_settings)
    lake.write([post("x")])
    came(lake_settings, arrived)
    lake.write([post("y", rkey="2", at=NOON + HOUR)])
    came(lake_settings, arrived + 2 * HOUR)
    assert sealing(lake_settings, arrived + 3 * HOUR).state == "waiting"
    assert sealing(lake_settings, arrived + 3 * HOUR + SECOND).state == "warning"
    assert maintaining(lake_settings, arrived + 2 * DAY).state == "none"
    assert maintaining(lake_settings, arrived + 2 * DAY + SECOND).state == "warning"


def test_an_hour_that_was_opened_again_waits_since_its_first_late_row(lake_settings: Settings) -> None:
    lake = Lake(lake_settings)
    lake.write([post("x")])
    seal(lake_settings, NOON + 2 * HOUR)
    came(lake_settings, NOON + 2 * HOUR)
    arrived = NOON + 5 * DAY
    for minutes in (0, 179):
        lake.write([post("late", rkey=f"3k{minutes}")])
        came(lake_settings, arrived + timedelta(minutes=minutes))
    assert sealing(lake_settings, arrived + 3 * HOUR).state == "waiting"
    assert sealing(lake_settings, arrived + 3 * HOUR + SECOND).state == "warning"
    seal(lake_settings, arrived + 3 * HOUR)
    assert sealing(lake_settings, arrived + 9 * DAY).state == "sealed"


def test_an_empty_lake_waits_for_nothing(lake_settings: Settings) -> None:
    parts = {part.name: (part.ok, part.state) for part in status(lake_settings)}
    assert (parts["seal"], parts["maintain"]) == ((True, "sealed"), (True, "none"))


def test_a_maintenance_that_does_not_come_back_is_a_warning(lake_settings: Settings, say: Callable[..., None]) -> None:
    say(NOON, "maintain")
    assert maintaining(lake_settings, NOON + 2 * DAY) == Part("maintain", True, "done", "that is all (48 h ago)")
    part = maintaining(lake_settings, NOON + 60 * DAY)
    assert (part.ok, part.state) == (True, "warning")
    assert part.detail.startswith("that is all (1440 h ago)")


def test_one_that_failed_has_failed_however_long_ago(lake_settings: Settings, say: Callable[..., None]) -> None:
    Lake(lake_settings).write([post("x")])
    for task, part in (("seal", sealing), ("maintain", maintaining)):
        say(NOON, task)
        say(NOON + HOUR, task, ok=False)
        say(NOON + 2 * HOUR, task, ok=False)
        assert [(part(lake_settings, now).ok, part(lake_settings, now).state) for now in (NOON, NOON + 9 * DAY)] == [
            (False, "failed")
        ] * 2
        assert Collector(lake_settings, Store(lake_settings.lake_dir)).last_well_seconds(task) == NOON.timestamp()


def test_a_refresh_that_does_not_come_back_is_a_warning(lake_settings: Settings) -> None:
    publish_view(lake_settings, now=NOON)
    assert viewing(lake_settings, NOON + 2 * DAY) == Part("views", True, "published", "1 views, published 48 h ago")
    part = viewing(lake_settings, NOON + 2 * DAY + SECOND)
    assert (part.ok, part.state) == (True, "warning")
    assert part.detail.endswith("overdue: see whether refresh_views runs")


def test_a_refresh_that_has_never_run_is_a_warning_once_the_lake_is_old(lake_settings: Settings) -> None:
    Lake(lake_settings).write([post("x")])
    came(lake_settings, NOON)
    assert viewing(lake_settings, NOON + 2 * DAY).state == "none"
    assert viewing(lake_settings, NOON + 2 * DAY + SECOND).state == "warning"


def test_a_refresh_that_failed_is_a_warning_that_names_what_is_held_back(
    lake_settings: Settings, say: Callable[..., None]
) -> None:
    publish_view(lake_settings, now=NOON + HOUR, stale_since=NOON)
    say(NOON + HOUR, "refresh", ok=False)
    assert viewing(lake_settings, NOON + 2 * HOUR) == Part(
        "views",
        True,
        "warning",
        "1 views, published 60 min ago; held back with earlier rows: ranks; the last refresh failed 60 min ago: that is all",
    )
    publish_view(lake_settings, now=NOON + 3 * HOUR)
    say(NOON + 3 * HOUR, "refresh")
    assert viewing(lake_settings, NOON + 4 * HOUR).state == "published"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DeltaError("no such version\nat all"), "no such version"),
        (duckdb.Error("out of memory"), "out of memory"),
        (OSError(), "OSError"),
        (RuntimeError("a surprise"), "a surprise"),
    ],
)
@pytest.mark.parametrize(
    ("run", "step"),
    [
        (seal, "bluelake.lake.compaction.sealer.durable_versions"),
        (maintain, "bluelake.lake.compaction.maintenance.durable_versions"),
    ],
)
def test_whatever_ends_a_run_is_said(
    run: Callable[[Settings, datetime], Any],
    step: str,
    error: Exception,
    message: str,
    lake_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Lake(lake_settings)
    run(lake_settings, NOON)
    well = read_status(lake_settings, run.__name__)
    assert well is not None
    assert well.ok

    def failing(settings: Settings) -> None:
        raise error

    monkeypatch.setattr(step, failing)
    with pytest.raises(type(error)):
        run(lake_settings, NOON)
    failed = read_status(lake_settings, run.__name__)
    assert failed is not None
    assert (failed.ok, failed.state, failed.message, failed.last_well_us) == (False, "failed", message, well.at_us)
