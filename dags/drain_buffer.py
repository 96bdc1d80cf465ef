"""The DAG `drain_buffer`: every few minutes, everything in the Redis buffer becomes rows of the lake."""

from typing import Any

from airflow.providers.redis.hooks.redis import RedisHook
from airflow.sdk import task
from airflow.sdk.exceptions import AirflowSkipException

from bluelake.core.settings import load_settings
from dags.dag_defaults import FIRST_DATA, HEAVY_POOL, LAKE, REDIS_CONNECTION, cron, lake_dag

DOC = """
### Drain the buffer

Takes everything that the ingester has put into Redis and commits it to the lake, exactly once: one Delta commit a table.

* **buffer_answers** asks Redis; if it is away, this task fails and says so, and nothing is lost: the ingester waits.
* **drain** writes the batch. Killed at any point, its next run does exactly what is missing. Its return value is the
  batch's row counts; all batches are in the admin and in the table `batches`.
* **ask_for_views** is skipped once the published views have rows; until then it triggers `refresh_views` at once, so that a
  new installation has something to show before its first night.

One run at a time; `drain` shares the pool `heavy` (one slot) with the other heavy tasks and goes before all that wait with it.
The schedule is `DRAIN_SCHEDULE`.
"""


@lake_dag("drain_buffer", cron(load_settings().drain_schedule, run_immediately=True), DOC)
def drain_buffer() -> None:
    @task(doc_md="Fails, with the reason, while Redis does not answer.")
    def buffer_answers() -> int:
        from bluelake.buffer.client import count_flushes

        connection = RedisHook(redis_conn_id=REDIS_CONNECTION).get_conn()  # type: ignore[no-untyped-call]
        waiting = count_flushes(connection)
        print(f"{waiting} flushes are waiting")
        return waiting

    # Redis fills up while a drain waits; the others lose nothing by it.
    @task(pool=HEAVY_POOL, priority_weight=10, outlets=[LAKE], doc_md="Commits what is in the buffer to the lake.")
    def drain() -> list[dict[str, Any]]:
        from bluelake.lake.drain import drain as run

        return [
            {
                "first_flush": batch.first_flush,
                "last_flush": batch.last_flush,
                "events_in": batch.events_in,
                "rows_out": batch.rows_out,
                "duplicates": batch.duplicates,
                "rejects": batch.rejects,
                "seconds": round(batch.duration_seconds, 3),
            }
            for batch in run(load_settings())
        ]

    @task(outlets=[FIRST_DATA], doc_md="Skipped once the published views have rows.")
    def ask_for_views(batches: list[dict[str, Any]]) -> None:
        from bluelake.lake.views import current

        published = current(load_settings())
        shown = published is not None and any(view.rows for view in published.views)
        if shown or not any(batch["rows_out"] for batch in batches):
            raise AirflowSkipException("there are views with rows already, or there is nothing to show yet")

    # While the DAG is parsed it is Airflow's promise of the list that the task returns.
    batches: Any = drain()
    buffer_answers() >> batches
    ask_for_views(batches)


drain_buffer()
