"""Every crash point, each hit with SIGKILL in a child process: nothing is lost, and what is published stays readable."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from bluelake.core.crash import CRASH_POINTS, VARIABLE
from bluelake.core.settings import Settings
from bluelake.lake.views import current, read
from harness.chaos.plan import PROCESS_OF_POINT
from harness.chaos.tour import tour
from tests.support.paths import ROOT
from tests.support.processes import clean_environment

PUBLISH = """
import sys
from pathlib import Path
from bluelake.core.settings import load_settings
from bluelake.lake.views import ColumnInfo, ViewInfo, publish
view = ViewInfo("numbers", "Some numbers.", 1, (ColumnInfo("n", "BIGINT", "A number."),))
publish(load_settings(), Path(sys.argv[1]), (view,))
"""


@pytest.mark.integration
def test_a_process_dies_at_every_crash_point_and_nothing_is_lost(tmp_path: Path) -> None:
    outcome = tour(tmp_path / "tour")
    assert outcome.ok, outcome.failure
    assert set(outcome.hits) == set(CRASH_POINTS)


def test_every_crash_point_belongs_to_a_process() -> None:
    assert set(PROCESS_OF_POINT) == set(CRASH_POINTS)


@pytest.mark.integration
@pytest.mark.parametrize("point", [point for point in CRASH_POINTS if "publish" in point])
def test_a_publication_that_was_killed_is_the_old_one_or_the_new_one(
    point: str, lake_settings: Settings, home: Path
) -> None:
    def publish(number: int, crash: str = "") -> int:
        build = lake_settings.views_dir / "next.duckdb"
        build.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(build)) as connection:
            connection.execute(f"CREATE TABLE numbers AS SELECT {number}::BIGINT AS n")
        environment = clean_environment(BLUELAKE_HOME=str(home), **({VARIABLE: crash} if crash else {}))
        done = subprocess.run([sys.executable, "-c", PUBLISH, str(build)], cwd=ROOT, env=environment, check=False)
        build.unlink(missing_ok=True)
        return done.returncode

    assert publish(1) == 0
    assert publish(2, point) == -9
    assert current(lake_settings) is not None
    shown = read(lake_settings, "numbers", 10, 0).rows
    assert shown == [(2 if point == "after-publish-pointer" else 1,)]
    assert publish(3) == 0
    assert read(lake_settings, "numbers", 10, 0).rows == [(3,)]
