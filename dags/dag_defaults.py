"""What the DAGs share. Nothing heavy is imported while a DAG file is parsed; a task imports what it calls."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, dag

# One slot: drain, views and maintenance never run beside each other.
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
    """A DAG as all of Bluelake's are: one run at a time, runs that were missed are not made up for, tasks tried again."""
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
