"""The SQLMesh project itself: it loads anywhere, its unit tests run, and every view says what it is."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from sqlmesh import Context
from sqlmesh.core.console import NoopConsole
from sqlmesh.core.model import IncrementalByTimeRangeKind, SqlModel

from bluelake.core.scratch import own_folder
from bluelake.core.settings import Settings
from bluelake.lake.query.relations import duckdb_type
from bluelake.lake.tables import TABLES
from tests.support.paths import ROOT
from tests.support.processes import clean_environment
from transforms.project import LOOKBACK_DAYS, PROJECT, open_project, tables_read, view_models, view_name

VIEWS = ["active_users_daily", "most_liked_posts_daily", "posts_by_hour", "trending_hashtags_daily"]
UNIT_TESTS = 6


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """The project, loaded where there is no lake."""
    settings = Settings(bluelake_home=tmp_path_factory.mktemp("home"), duckdb_threads=2, duckdb_memory_mb=512)
    settings.views_dir.mkdir()
    with open_project(settings, NoopConsole(), unit_tests=True) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def models(context: Context) -> dict[str, SqlModel]:
    """The published models by name."""
    return {view_name(model): model for model in view_models(context)}


def test_it_has_the_four_views(models: dict[str, SqlModel]) -> None:
    assert list(models) == VIEWS


def test_what_each_view_reads_is_in_its_model(models: dict[str, SqlModel]) -> None:
    assert {name: tables_read(model) for name, model in models.items()} == {
        "active_users_daily": {"posts": 0, "likes": 0, "reposts": 0, "follows": 0},
        "most_liked_posts_daily": {"likes": 0, "accounts": 0, "deletes": 7, "posts": 7},
        "posts_by_hour": {"posts": 0},
        "trending_hashtags_daily": {"posts": 1},
    }


def test_every_unit_test_runs_and_passes(context: Context, models: dict[str, SqlModel]) -> None:
    output = io.StringIO()
    result = context.test(stream=output)
    assert result.wasSuccessful(), output.getvalue()
    # SQLMesh runs no test, and calls that a success, where a file is not named test*.yaml.
    assert result.testsRun == UNIT_TESTS
    assert context.models_with_tests == {model.name for model in models.values()}


def test_a_wrong_expectation_fails(context: Context) -> None:
    [test, *_] = context.select_tests(patterns=["test_posts_by_hour"])
    test.body["outputs"]["query"]["rows"][0]["posts"] += 1
    try:
        assert not context.test(stream=io.StringIO()).wasSuccessful()
    finally:
        test.body["outputs"]["query"]["rows"][0]["posts"] -= 1


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_and_column_is_described_and_typed(models: dict[str, SqlModel], name: str) -> None:
    model = models[name]
    assert model.description
    declared = model.columns_to_types_ or {}
    assert set(model.column_descriptions) == set(declared)
    assert all(text.endswith(".") for text in [model.description, *model.column_descriptions.values()])


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_is_incremental_by_day_and_audited(models: dict[str, SqlModel], name: str) -> None:
    model = models[name]
    assert isinstance(model.kind, IncrementalByTimeRangeKind)
    assert model.lookback == LOOKBACK_DAYS
    assert model.allow_partials
    assert model.kind.batch_size == 1
    audits = {audit for audit, _ in model.audits}
    assert {"not_null", "forall"} <= audits
    assert audits & {"unique_values", "unique_combination_of_columns"}
    assert model.grains


def test_external_models_are_the_lakes_tables(context: Context) -> None:
    external = {model.view_name: model for model in context.models.values() if model.kind.is_external}
    assert set(external) == {"posts", "likes", "reposts", "follows", "deletes", "accounts"}
    for name, model in external.items():
        declared = {column: kind.sql("duckdb") for column, kind in (model.columns_to_types or {}).items()}
        lake = {column: duckdb_type(kind) for column, kind in TABLES[name].columns}
        types = {"VARCHAR": "TEXT", "VARCHAR[]": "TEXT[]", "INTEGER": "INT", "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
        assert declared == {column: types.get(kind, kind) for column, kind in lake.items()}, name


def test_sessions_are_in_utc(context: Context) -> None:
    assert context.engine_adapter.fetchall("SELECT current_setting('TimeZone')") == [("UTC",)]
    test_connection = context.config.get_test_connection()
    adapter = test_connection.create_engine_adapter()
    assert adapter.fetchall("SELECT current_setting('TimeZone')") == [("UTC",)]
    adapter.close()


def test_docs_describe_every_view_and_column(models: dict[str, SqlModel]) -> None:
    page = (ROOT / "docs" / "views.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### `(\w+)`\n(.+?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))
    assert sorted(sections) == VIEWS
    for name, model in models.items():
        assert model.description in sections[name]
        documented = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", sections[name], re.MULTILINE)
        kinds = {column: kind.sql("duckdb") for column, kind in (model.columns_to_types_ or {}).items()}
        assert documented == [(column, kinds[column], model.column_descriptions[column]) for column in kinds]


@pytest.mark.integration
def test_the_command_line_loads_it_without_a_lake_and_writes_only_into_the_home(tmp_path: Path) -> None:
    before = sorted(path for path in PROJECT.rglob("*") if "__pycache__" not in path.parts)
    home = tmp_path / "home"
    (home / "views").mkdir(parents=True)
    environment = clean_environment(
        BLUELAKE_HOME=str(home),
        HOME=str(tmp_path),
        PYTHONPATH=str(ROOT),
        SQLMESH_HOME=str(home / "sqlmesh"),
        SQLMESH__DISABLE_ANONYMIZED_ANALYTICS="true",
    )
    sqlmesh = str(Path(sys.executable).with_name("sqlmesh"))
    command = [sqlmesh, "--log-file-dir", str(home / "logs"), "--paths", str(PROJECT), "test"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Successfully Ran `{UNIT_TESTS}` Tests" in done.stdout
    assert sorted(path for path in PROJECT.rglob("*") if "__pycache__" not in path.parts) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


@pytest.mark.integration
def test_importing_the_refresh_turns_telemetry_off(tmp_path: Path) -> None:
    code = (
        "import transforms.refresh\nfrom sqlmesh.core import analytics\n"
        "print(type(analytics.collector._dispatcher).__name__)"
    )
    environment = clean_environment(HOME=str(tmp_path), PYTHONPATH=str(ROOT))
    environment.pop("SQLMESH__DISABLE_ANONYMIZED_ANALYTICS", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "NoopEventDispatcher"
    assert os.listdir(tmp_path) == []


def test_a_folder_with_a_quote_in_its_name(tmp_path: Path) -> None:
    settings = Settings(bluelake_home=tmp_path / "it's @home", duckdb_threads=2, duckdb_memory_mb=512)
    settings.views_dir.mkdir(parents=True)
    with open_project(settings, NoopConsole()) as loaded:
        assert loaded.engine_adapter.fetchall("SELECT 1") == [(1,)]
        ((spill,),) = loaded.engine_adapter.fetchall("SELECT current_setting('temp_directory')")
        assert Path(spill).parent == own_folder(settings.spill_dir)
    # And the file is free again.
    duckdb.connect(str(settings.views_dir / "build.duckdb")).close()
