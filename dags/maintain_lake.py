"""The DAG `maintain_lake`: daily, deleted records leave the files, and files that nothing uses are removed."""

from typing import Any

from airflow.sdk import task

from bluelake.core import clock
from bluelake.core.settings import load_settings
from dags.dag_defaults import HEAVY_POOL, LAKE, cron, lake_dag

DOC = """
### Maintain the lake

* **Purge**: sealed hours that hold deleted records, or records of deleted accounts, are rewritten without them: overdue
  ones first, then the worst, up to `MAINTENANCE_MAX_MB` and `HEAVY_MAX_MINUTES` a run. Every deletion is
  in effect in the files within `PURGE_DAYS`. With `BLUELAKE_DELETIONS=keep` nothing is purged.
* **Vacuum**: files that were replaced more than `VACUUM_GRACE_HOURS` ago, and files that a killed process left, in the
  lake or under `tmp/`, are removed.
* **Raw chunks** older than `RAW_KEEP_DAYS` are removed.

Killed at any point, the next run goes on. One run at a time, in the pool `heavy`. The schedule is `MAINTAIN_SCHEDULE`.
"""


@lake_dag("maintain_lake", cron(load_settings().maintain_schedule), DOC)
def maintain_lake() -> None:
    @task(pool=HEAVY_POOL, inlets=[LAKE], doc_md="Purges, vacuums, and thins out the raw chunks.")
    def maintain() -> dict[str, Any]:
        from bluelake.lake.compaction import maintain as run

        done = run(load_settings(), clock.now())
        return {
            "hours_rewritten": done.hours,
            "rows_purged": done.rows,
            "rows_waiting": done.waiting_rows,
            "files_removed": done.vacuumed.files,
            "bytes_removed": done.vacuumed.size_bytes,
        }

    maintain()


maintain_lake()
