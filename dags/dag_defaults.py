"""What the DAGs share. Nothing heavy is imported while a DAG file is parsed; a task imports what it calls."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset

# One slot: drain, views and maintenance never run beside each other.
HEAVY_POOL = "heavy"
REDIS_CONNECTION = "bluelake_redis"
START = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT_ARGUMENTS = {
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
