"""The DAG `seal_hours`: every hour, hours that have passed are rewritten into one sorted file a table."""

from typing import Any

from airflow.sdk import task

from bluelake.core import clock
from bluelake.core.settings import load_settings
from dags.dag_defaults import HEAVY_POOL, LAKE, cron, lake_dag

DOC = """
### Seal the hours that have passed

An hour that ended `SEAL_DELAY_MINUTES` ago is rewritten once a table: one file, sorted by author, without duplicates and without
records that were deleted since. Late events open an hour again, and the next run seals it anew; a sealed hour is left alone.

Searches and exports go on meanwhile: they keep the files that they opened. Killed at any point, the next run seals what is not
sealed yet. After `HEAVY_MAX_MINUTES` the rest is left to the next run.

One run at a time, in the pool `heavy`. The schedule is `SEAL_SCHEDULE`.
"""


@lake_dag("seal_hours", cron(load_settings().seal_schedule), DOC)
def seal_hours() -> None:
    @task(pool=HEAVY_POOL, inlets=[LAKE], doc_md="Rewrites every hour that has passed and is not sealed.")
    def seal() -> dict[str, Any]:
        from bluelake.lake.compaction import seal as run

        done = run(load_settings(), clock.now())
        return {
            "hours": len(done),
            "rows": sum(hour.rows for hour in done),
            "bytes_before": sum(hour.bytes_before for hour in done),
            "bytes": sum(hour.size_bytes for hour in done),
        }

    seal()


seal_hours()
