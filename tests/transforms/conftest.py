"""SQLMesh is imported here first, since importing it warns. And homes that a refresh has filled, made once a run."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import transforms  # noqa: F401  (before SQLMesh: it turns the telemetry off)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sqlmesh  # noqa: F401

from bluelake.core.settings import Settings
from tests.support.refreshes import Make, copy_of, made_once


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(request.config, "workerinput") else own


@pytest.fixture
def prepare(run_folder: Path, lake_settings: Settings) -> Callable[[Make], None]:
    """Fill the home of `lake_settings` with a copy of what a function makes, which runs once for all tests."""
    return lambda make: copy_of(made_once(run_folder / make.__name__, make), lake_settings.home)
