"""The SQLMesh project, configured from Bluelake's settings. It writes only into BLUELAKE_HOME, and sends no telemetry."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from sqlmesh import Context
from sqlmesh.core import constants
from sqlmesh.core.config import (
    CategorizerConfig,
    Config,
    DuckDBConnectionConfig,
    GatewayConfig,
    ModelDefaultsConfig,
    PlanConfig,
)
from sqlmesh.core.console import Console, get_console, set_console
from sqlmesh.core.dialect import MacroFunc
from sqlmesh.core.model import SqlModel

from bluelake.core.settings import Settings
from bluelake.lake.query import spill_folder

PROJECT = Path(__file__).parent
# Every refresh computes so many days before the newest one again: for late events, and for rows withdrawn since.
LOOKBACK_DAYS = 2
SCHEMA = "views"


def build_path(settings: Settings) -> Path:
    """SQLMesh's own DuckDB: its state and the tables it builds. Only a refresh opens it."""
    return settings.views_dir / "build.duckdb"


def project_config(settings: Settings, *, start: date | None = None, unit_tests: bool = True) -> Config:
    """The project's configuration. `start`: the first day to compute, the lake's earliest. `unit_tests`: load them."""
    connection = {"TimeZone": "UTC"}
    limits = {
        "memory_limit": f"{settings.duckdb_memory_mb}MB",
        "threads": str(settings.duckdb_threads),
        "autoinstall_known_extensions": "false",
    }
    return Config(
        default_gateway="lake",
        gateways={
            "lake": GatewayConfig(
                connection=DuckDBConnectionConfig(
                    database=str(build_path(settings)), connector_config={**connection, **limits}
                ),
                test_connection=DuckDBConnectionConfig(connector_config=connection),
            )
        },
        model_defaults=ModelDefaultsConfig(
            dialect="duckdb",
            start=start.isoformat() if start else None,
            # Today is computed as far as it has passed, and again at every refresh until it is over.
            allow_partials=True,
            # SQLMesh leaves the lake's SQL as it is.
            optimize_query=False,
        ),
        variables={"lookback_days": LOOKBACK_DAYS},
        # SQLMesh rebuilds a changed model without a question.
        plan=PlanConfig(auto_categorize_changes=CategorizerConfig.all_full(), no_prompts=True),
        # SQLMesh would take half a second a plan to note which packages the macros import.
        infer_python_dependencies=False,
        # A refresh never runs them, and would parse their YAML each time.
        ignore_patterns=[] if unit_tests else ["tests/*.yaml"],
        disable_anonymized_analytics=True,
        cache_dir=str(settings.views_dir / "cache"),
    )


@contextmanager
def open_project(
    settings: Settings,
    console: Console,
    *,
    start: date | None = None,
    project: Path = PROJECT,
    unit_tests: bool = False,
) -> Iterator[Context]:
    """The loaded project, closed again after the block. Until then nobody else can open its DuckDB.

    `unit_tests`: load the models' unit tests too.
    """
    # SQLMesh loads its files in forked processes otherwise, and delta-rs does not survive a fork.
    constants.MAX_FORK_WORKERS = 1
    # SQLMesh keeps an id of its user even without telemetry, by default in the home folder.
    constants.SQLMESH_PATH = settings.views_dir / "sqlmesh"
    # At INFO they log every statement.
    for name in ("sqlmesh", "sqlglot"):
        logging.getLogger(name).setLevel(logging.WARNING)
    before = get_console()
    set_console(console)
    try:
        config = project_config(settings, start=start, unit_tests=unit_tests)
        context = Context(paths=[str(project)], config=config)
        try:
            # Set here, since its name changes each time. In the configuration it would make SQLMesh's cache useless.
            spill = str(spill_folder(settings)).replace("'", "''")
            context.engine_adapter.execute(f"SET temp_directory = '{spill}'")
            yield context
        finally:
            context.close()
            # SQLMesh keeps one adapter a file for the life of the process. It must not find the closed one again.
            DuckDBConnectionConfig._data_file_to_adapter.pop(str(build_path(settings)), None)
    finally:
        set_console(before)


def view_models(context: Context) -> list[SqlModel]:
    """The models that are published, by name."""
    found = [model for model in context.models.values() if isinstance(model, SqlModel)]
    return sorted(found, key=lambda model: view_name(model))


def view_name(model: SqlModel) -> str:
    """The name that a model's view is published under."""
    return str(model.view_name)


def tables_read(model: SqlModel) -> dict[str, int]:
    """The lake's tables that a model reads by `@lake(…)`, each with the number of days before the model's own day."""
    found: dict[str, int] = {}
    for call in model.query.find_all(MacroFunc):
        if call.name.lower() == "lake":
            table, *options = call.this.expressions
            named = {option.name: option.expression.to_py() for option in options}
            found[table.name] = max(found.get(table.name, 0), named.get("days_before", 0))
    return found
