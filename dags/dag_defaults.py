"""What the DAGs share. Nothing heavy is imported while a DAG file is parsed; a task imports what it calls."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, dag
from airflow.timetables.trigger import CronTriggerTimetable

# One slot: drain, seal, views and maintenance never run beside each other.
HEAVY_POOL = "heavy"
REDIS_CONNECTION = "bluelake_redis"
_START = datetime(2026, 1, 1, tzinfo=UTC)
_TASKS = {
    "owner": "bluelake",
    "retries": 3,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(hours=2),
}

LAKE = Asset("bluelake://lake", group="bluelake")
FIRST_DATA = Asset("bluelake://first-data", group="bluelake")
VIEWS = Asset("bluelake://views", group="bluelake")


def lake_dag(dag_id: str, schedule: Any, doc: str) -> Callable[[Callable[[], None]], Callable[[], Any]]:
    """A DAG with one run at a time. It skips the runs that it missed, and retries its tasks. `doc`: Markdown for the UI."""
    return dag(
        dag_id=dag_id,
        schedule=schedule,
        start_date=_START,
        catchup=False,
        max_active_runs=1,
        default_args=_TASKS,
        doc_md=doc,
        tags=["bluelake"],
    )


def cron(expression: str, *, run_immediately: bool = False) -> CronTriggerTimetable:
    """The schedule of a cron expression, UTC. `run_immediately`: it also runs once when the DAG is first seen."""
    return CronTriggerTimetable(expression, timezone="UTC", run_immediately=run_immediately)
