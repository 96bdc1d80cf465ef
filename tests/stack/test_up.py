"""What `bluelake up` checks and sets before it starts anything."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from bluelake.core.clock import now_us
from bluelake.core.errors import ConfigurationError
from bluelake.core.settings import Settings, load_settings
from bluelake.stack import up as stack_up
from bluelake.stack.up import _check_source, demo_environment, up
from tests.support.processes import free_port


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_demo_reads_the_simulator_only_from_where_its_history_begins(home: Path) -> None:
    before_us = now_us()
    environment = demo_environment(Settings(bluelake_home=home, simulator_port=19102))
    start_us = int(environment["JETSTREAM_START"])
    assert before_us <= start_us + 2 * 24 * 3600 * 1_000_000 <= now_us()
    assert demo_environment(Settings(bluelake_home=home))["JETSTREAM_START"] == str(start_us)

    assert environment["JETSTREAM_URLS"] == "ws://127.0.0.1:19102/subscribe"
    assert environment.keys() == {"JETSTREAM_URLS", "JETSTREAM_START", "DRAIN_SCHEDULE"}


def test_what_the_demo_sets_are_settings(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name, value in demo_environment(Settings(bluelake_home=home)).items():
        monkeypatch.setenv(name, value)

    assert load_settings().jetstream_urls == (f"ws://127.0.0.1:{Settings().simulator_port}/subscribe",)


def test_what_is_set_already_is_not_the_demos(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("DRAIN_SCHEDULE", "*/2 * * * *")

    assert demo_environment(Settings(bluelake_home=home)).keys() == {"JETSTREAM_URLS", "JETSTREAM_START"}


@pytest.mark.parametrize("demo", [True, False])
def test_a_home_keeps_its_network(lake_settings: Settings, demo: bool) -> None:
    _check_source(lake_settings, demo=demo)
    _check_source(lake_settings, demo=demo)

    with pytest.raises(ConfigurationError) as caught:
        _check_source(lake_settings, demo=not demo)

    held, asked = ("simulator", "jetstream") if demo else ("jetstream", "simulator")
    assert f"holds data of the {held}, not of the {asked}" in str(caught.value)
    assert str(caught.value).startswith(f"BLUELAKE_HOME={lake_settings.home}: ")
    _check_source(lake_settings, demo=demo)


def free_ports() -> dict[str, Any]:
    """A free port for every process."""
    return {name: free_port() for name in ("web_port", "airflow_port", "ingest_metrics_port", "simulator_port")}


@pytest.mark.parametrize("name", ["WEB_PORT", "AIRFLOW_PORT", "INGEST_METRICS_PORT", "SIMULATOR_PORT", "REDIS_URL"])
def test_a_taken_port_is_told_before_anything_starts(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(stack_up, "prepare_database", lambda settings: pytest.fail("it went on"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        values = {**free_ports(), "redis_url": f"redis://127.0.0.1:{free_port()}/0"}
        values[name.lower()] = f"redis://127.0.0.1:{taken}/0" if name == "REDIS_URL" else taken
        settings = Settings(bluelake_home=home, embedded_redis=True, **values)

        with pytest.raises(ConfigurationError, match=f"^{name}: port {taken} of 127.0.0.1 is taken"):
            up(settings, lambda line: None, demo=True)

    assert not (home / "airflow").exists()


def test_every_process_gets_the_same_home_and_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment: dict[str, str] = {}
    started: list[str] = []
    said: list[str] = []
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(stack_up, "prepare_database", lambda settings: None)
    monkeypatch.setattr(stack_up, "exec_supervisor", lambda settings, found: started.extend(p.name for p in found))
    monkeypatch.chdir(tmp_path)
    url = f"redis://127.0.0.1:{free_port()}/0"
    settings = Settings(bluelake_home=Path("data"), redis_url=url, embedded_redis=True, **free_ports())

    up(settings, said.append, demo=False)

    assert environment == {
        "BLUELAKE_HOME": str(tmp_path / "data"),
        "REDIS_URL": url,
        "EMBEDDED_REDIS": "true",
    }
    assert started[:2] == ["redis", "ingest"]
    assert (tmp_path / "data" / "secrets" / "admin-password").exists()
    assert "announce" not in said[-1]


@pytest.mark.parametrize(("given", "runs"), [({}, True), ({"REDIS_URL": "redis://127.0.0.1:6379/0"}, False)])
@pytest.mark.parametrize("demo", [True, False])
def test_a_redis_is_started_unless_one_is_named(
    given: dict[str, str], runs: bool, demo: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = dict(given)
    started: list[str] = []
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(stack_up, "prepare_database", lambda settings: None)
    # The default port may be in use where the tests run; that it is asked for is tested above.
    monkeypatch.setattr(stack_up, "_check_ports", lambda settings, demo: None)
    monkeypatch.setattr(stack_up, "exec_supervisor", lambda settings, found: started.extend(p.name for p in found))

    up(Settings(bluelake_home=tmp_path / "data"), lambda line: None, demo=demo)

    assert ("redis" in started) is runs
    assert environment["EMBEDDED_REDIS"] == str(runs).lower()
    assert environment["REDIS_URL"] == "redis://127.0.0.1:6379/0"
