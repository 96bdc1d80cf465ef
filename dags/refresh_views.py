"""The DAG `refresh_views`: daily, SQLMesh builds the cached views and publishes them."""

from typing import Any

from airflow.sdk import task
from airflow.timetables.assets import AssetOrTimeSchedule

from bluelake.core import clock
from bluelake.core.settings import load_settings
from dags.dag_defaults import FIRST_DATA, HEAVY_POOL, LAKE, VIEWS, cron, lake_dag

DOC = """
### Refresh the cached views

Builds the SQLMesh models over the lake's current rows and publishes the result as a new, versioned, read-only DuckDB file.
Readers switch to it between two requests. A view that fails an audit stays with its last good rows; the others are published, and
the run fails with the reason.

Runs daily at `REFRESH_SCHEDULE` (UTC), and once when the first data has come. Each run also computes the day that is still
going on, and computes the last days again, so that late events and deletions show. Of older days that have become stale it
computes as many as `HEAVY_MAX_MINUTES` allow; the rest waits for the next run. Killed, the next run goes on from there.
"""


@lake_dag(
    "refresh_views",
    # Airflow's type names only the assets that it has serialised; its parser takes an author's.
    AssetOrTimeSchedule(timetable=cron(load_settings().refresh_schedule), assets=FIRST_DATA),  # type: ignore[arg-type]
    DOC,
)
def refresh_views() -> None:
    @task(pool=HEAVY_POOL, inlets=[LAKE], outlets=[VIEWS], doc_md="Builds all views and publishes them.")
    def refresh() -> dict[str, Any]:
        from transforms.refresh import refresh as run

        result = run(load_settings(), now=clock.now())
        return {"version": result.version, "seconds": round(result.seconds, 2), "days_waiting": result.waiting}

    refresh()


refresh_views()
