"""Backfill as a task of Airflow or a request of the API calls it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.drain import drain
from repair import NotServedError, backfill_span
from tests.support.frames import NOON_US, steady
from tests.support.gaps import found, notice
from tests.support.processes import free_port
from tests.support.serving import serving

SECOND = 1_000_000
SPAN = (NOON_US, NOON_US + 600 * SECOND)


def test_a_caller_gets_the_counts_the_notes_and_the_stages(buffer: Buffer, settings: Settings) -> None:
    notice(buffer, 0, 600)
    drain(settings)
    stages: list[tuple[str, str]] = []
    done: list[tuple[int, int]] = []
    notes: list[str] = []

    @contextmanager
    def display(stage: str, unit: str) -> Iterator[Callable[[int, int], None]]:
        stages.append((stage, unit))
        yield lambda *step: done.append(step)

    away = f"127.0.0.1:{free_port()}"
    with serving(steady(-20, 700)) as url:
        result = backfill_span(
            settings, *SPAN, hosts=[f"ws://{away}/subscribe", url], display=display, note=notes.append
        )
    # Every ten seconds from -10 s to 610 s, the span and its margins, and five in a row behind that.
    assert (result.frames, result.rows_out) == (68, 68)
    assert [gap.seconds for gap in result.closed] == [600]
    assert found(settings) == [(0, 600, False)]
    assert stages == [("fetch", "seconds"), ("fetch", "seconds"), ("replay", "bytes")]
    assert done[-1][0] == done[-1][1] > 0
    assert [note.partition(" ")[0] for note in notes] == [away]


def test_hosts_default_to_those_of_the_settings_and_the_last_refusal_is_raised(settings: Settings) -> None:
    away = settings.model_copy(update={"jetstream_urls": [f"ws://127.0.0.1:{free_port()}/subscribe"]})
    with pytest.raises(NotServedError, match="does not serve this: cannot be reached"):
        backfill_span(away, *SPAN)
    assert not list(away.spill_dir.rglob("backfill-*"))


def test_a_gap_that_hosts_close_together_is_one_and_a_trimmed_one_is_none(buffer: Buffer, settings: Settings) -> None:
    """The first host has the middle of the gap, the second one the two parts that are left; of another gap nobody has all."""
    notice(buffer, 0, 600)
    notice(buffer, 900, 1500)
    drain(settings)
    span = (NOON_US, NOON_US + 1500 * SECOND)
    with serving(steady(200, 400)) as first, serving(steady(-20, 220) + steady(380, 1200)) as second:
        result = backfill_span(settings, *span, hosts=[first, second])
    assert [(gap.from_at.minute, gap.seconds) for gap in result.closed] == [(0, 600)]
    assert [gap for gap in found(settings) if gap[2]] == [(1190, 1500, True)]
