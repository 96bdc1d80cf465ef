"""The DAGs, as Airflow's own parser sees them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from bluelake.buffer.client import Buffer, count_flushes
from bluelake.core.settings import Settings
from bluelake.stack.airflow_env import POOL, airflow_environment
from tests.support.buffers import feed
from tests.support.frames import commit_frame
from tests.support.paths import ROOT
from tests.support.processes import clean_environment

HEAVY_MODULES = (
    *("duckdb", "deltalake", "pyarrow", "polars", "sqlmesh", "django"),
    *(
        "bluelake.lake.drain.drainer",
        "bluelake.lake.compaction.sealer",
        "bluelake.lake.compaction.maintenance",
        "transforms.refresh",
    ),
)

# Run where Airflow may set up logging and warnings as it likes.
_PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
heavy = [name for name in sys.argv[2].split(",") if name in sys.modules]
found = {}
for dag in bag.dags.values():
    found[dag.dag_id] = {
        "doc": bool(dag.doc_md), "max_active_runs": dag.max_active_runs, "catchup": dag.catchup,
        "tasks": {task.task_id: {
            "pool": task.pool, "priority": task.priority_weight,
            "retries": task.retries, "backoff": bool(task.retry_exponential_backoff),
            "outlets": [outlet.uri for outlet in task.outlets], "inlets": [inlet.uri for inlet in task.inlets],
            "doc": bool(task.doc_md), "upstream": sorted(task.upstream_task_ids),
        } for task in dag.tasks},
    }
print("RESULT" + json.dumps({"errors": bag.import_errors, "heavy": heavy, "dags": found}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    environment = airflow_environment(Settings(bluelake_home=home)) | {"AIRFLOW__CORE__UNIT_TEST_MODE": "False"}
    done = subprocess.run(
        [sys.executable, "-c", _PARSE, str(ROOT / "dags"), ",".join(HEAVY_MODULES)],
        # Airflow puts the folder of a DAG on the path when it parses one.
        env=clean_environment(
            PYTHONPATH=str(ROOT / "dags"),
            **{name: value for name, value in environment.items() if name.startswith("AIRFLOW")},
        ),
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(lines[0].removeprefix("RESULT"))
    return result


@pytest.mark.integration
def test_all_parse_without_an_error_and_without_a_heavy_import(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}
    assert parsed["heavy"] == []
    assert set(parsed["dags"]) == {"drain_buffer", "maintain_lake", "refresh_views", "seal_hours"}


@pytest.mark.integration
def test_one_run_at_a_time_and_docs_in_the_ui(parsed: dict[str, Any]) -> None:
    for dag in parsed["dags"].values():
        assert (dag["max_active_runs"], dag["catchup"], dag["doc"]) == (1, False, True)
        assert all(task["doc"] for task in dag["tasks"].values())


@pytest.mark.integration
def test_retries_with_backoff(parsed: dict[str, Any]) -> None:
    for dag in parsed["dags"].values():
        for task in dag["tasks"].values():
            assert task["retries"] >= 2
            assert task["backoff"]


@pytest.mark.integration
def test_heavy_tasks_share_the_pool_of_one_slot(parsed: dict[str, Any]) -> None:
    pools = {name: task["pool"] for dag in parsed["dags"].values() for name, task in dag["tasks"].items()}
    assert {pools[task] for task in ("drain", "seal", "maintain", "refresh")} == {POOL}
    assert pools["buffer_answers"] != POOL


@pytest.mark.integration
def test_a_drain_goes_before_what_waits_with_it(parsed: dict[str, Any]) -> None:
    heavy = {name: task["priority"] for dag in parsed["dags"].values() for name, task in dag["tasks"].items()}
    # Airflow adds the weight of what comes after a task.
    assert heavy["drain"] > max(heavy[name] for name in ("seal", "maintain", "refresh"))


@pytest.mark.integration
def test_assets_lie_between_them(parsed: dict[str, Any]) -> None:
    drain = parsed["dags"]["drain_buffer"]["tasks"]
    refresh = parsed["dags"]["refresh_views"]["tasks"]["refresh"]
    assert drain["drain"]["outlets"] == refresh["inlets"] == ["bluelake://lake/"]
    assert drain["ask_for_views"]["outlets"] == ["bluelake://first-data/"]
    assert refresh["outlets"] == ["bluelake://views/"]
    assert drain["drain"]["upstream"] == ["buffer_answers"]


def test_the_dags_folder_holds_nothing_else() -> None:
    assert {path.name for path in Path(ROOT / "dags").glob("*.py")} == {
        "__init__.py",
        "dag_defaults.py",
        "drain_buffer.py",
        "maintain_lake.py",
        "refresh_views.py",
        "seal_hours.py",
    }
    assert not os.path.exists(ROOT / "airflow" / "__init__.py")


def test_no_dag_names_a_redis_key() -> None:
    named = {path.name for path in (ROOT / "dags").glob("*.py") if "firehose:" in path.read_text()}
    assert named == set()


def test_the_buffer_counts_the_flushes_that_wait(buffer: Buffer, settings: Settings) -> None:
    with redis.Redis.from_url(settings.redis_url) as connection:
        assert count_flushes(connection) == 0
        feed(buffer, [commit_frame(rkey="3ka")])
        feed(buffer, [commit_frame(rkey="3kb")])
        assert count_flushes(connection) == 2
        buffer.trim(1)
        assert count_flushes(connection) == 1
