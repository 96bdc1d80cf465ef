"""docker-compose.yml against the Compose Specification's schema, and against the code that its containers run.

No Docker engine is needed. `data/compose-spec.json` is the schema of the Compose Specification
(https://github.com/compose-spec/compose-spec, Apache License 2.0), unchanged.
"""

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest

from bluelake.core.settings import Settings
from bluelake.stack.demo import HISTORY_DAYS
from bluelake.stack.redis_server import exec_server
from bluelake.stack.supervisor import programs
from bluelake.stack.up import demo_environment
from tests.support.compose import COMPOSE, INTERPOLATION, OURS, SERVICES, TEXT, environment
from tests.support.paths import ROOT
from tests.support.processes import free_port

ONE_SHOTS = {"airflow-init"}
LASTING = sorted(SERVICES.keys() - ONE_SHOTS)
SETTINGS = {name.upper(): field for name, field in Settings.model_fields.items()}
# Read outside the containers only, or fixed inside them by their default, which `ports` and health checks name.
NOT_HANDED_THROUGH = {
    "EMBEDDED_REDIS",
    "REDIS_MAX_MEMORY_MB",
    "SIMULATOR_PORT",
    "INGEST_METRICS_PORT",
    "INGEST_METRICS_HOST",
}
HOST_PORTS = {"WEB_PORT", "AIRFLOW_PORT"}
MACHINE_MB = 8192


def megabytes(limit: str) -> int:
    """`512m` or `1g`, in MiB."""
    return int(limit[:-1]) * {"m": 1, "g": 1024}[limit[-1]]


def example_lines() -> list[tuple[str, str]]:
    """Every variable of .env.example with its value, whether it is commented out or not."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return [(match[1], match[2]) for line in lines if (match := re.fullmatch(r"#?([A-Z_]+)=(.*)", line))]


def test_it_is_what_the_compose_specification_takes() -> None:
    schema = json.loads((ROOT / "tests" / "data" / "compose-spec.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)

    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(COMPOSE)] == []
    broken = {**COMPOSE, "services": {"web": {"restrat": "always"}}}
    assert not validator.is_valid(broken)


def test_every_variable_is_shown_in_the_example_environment() -> None:
    used = {match["name"] for match in INTERPOLATION.finditer(TEXT)}

    assert used
    assert used <= {name for name, _ in example_lines()}


def test_every_variable_of_the_example_environment_is_used() -> None:
    used = {match["name"] for match in INTERPOLATION.finditer(TEXT)} | {"COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"}
    handed_through = {name for service in OURS for name, value in environment(service).items() if value is None}

    assert {name for name, _ in example_lines()} <= used | handed_through


def test_every_name_that_a_process_of_ours_gets_is_a_setting_or_an_option_of_airflow() -> None:
    names = {name for service in OURS for name in environment(service) if not name.startswith("AIRFLOW__")}

    assert names
    assert names - SETTINGS.keys() == set()


def test_every_setting_reaches_the_containers() -> None:
    # Every image sets BLUELAKE_HOME itself.
    given = {name for service in OURS for name in environment(service) if name in SETTINGS} | {"BLUELAKE_HOME"}

    assert given.isdisjoint(NOT_HANDED_THROUGH | HOST_PORTS)
    assert given | NOT_HANDED_THROUGH | HOST_PORTS == SETTINGS.keys()


def test_what_is_set_in_place_of_a_setting_is_its_default() -> None:
    defaults = {
        match["name"]: match["rest"]
        for match in INTERPOLATION.finditer(TEXT)
        if match["operator"] == "-" and match["name"] != "WEB_DUCKDB_MEMORY_MB"
    }

    assert defaults == {name: str(SETTINGS[name].default) for name in (*HOST_PORTS, "REDIS_MAX_MEMORY_MB")}


def test_the_example_shows_what_is_set_unless_it_says_otherwise() -> None:
    examples = dict(reversed(example_lines()))
    shown = {match["name"]: match["rest"] for match in INTERPOLATION.finditer(TEXT) if match["operator"] == "-"}
    for name in ("DUCKDB_MEMORY_MB", "JETSTREAM_START", "DRAIN_SCHEDULE"):
        shown[name] = str(SETTINGS[name].default)

    assert {name: examples[name] for name in shown} == shown


def test_the_example_of_the_demo_is_what_make_demo_sets(
    lake_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    demo = {name: value.replace("127.0.0.1", "simulator") for name, value in demo_environment(lake_settings).items()}
    # As a duration, since the simulator's container makes up its history when it starts.
    demo["JETSTREAM_START"] = f"{HISTORY_DAYS}d"

    assert {name: value for name, value in example_lines() if name in demo} == demo
    assert ("COMPOSE_PROFILES", "demo") in example_lines()


@pytest.mark.parametrize("name", LASTING)
def test_a_lasting_service_has_a_health_check_and_comes_back(name: str) -> None:
    service = SERVICES[name]

    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"]


@pytest.mark.parametrize("name", sorted(ONE_SHOTS))
def test_a_service_that_ends_is_not_started_again_and_is_waited_for(name: str) -> None:
    conditions = [service.get("depends_on", {}).get(name, {}).get("condition") for service in SERVICES.values()]

    assert SERVICES[name]["restart"] == "no"
    assert "service_completed_successfully" in conditions


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_a_memory_limit_and_logs_that_do_not_grow(name: str) -> None:
    assert megabytes(SERVICES[name]["mem_limit"]) > 0
    assert SERVICES[name]["logging"]["options"].keys() == {"max-size", "max-file"}


def test_the_memory_limits_fit_the_machine() -> None:
    # One-shots are over before what waits for them takes its memory.
    assert sum(megabytes(SERVICES[name]["mem_limit"]) for name in LASTING) <= MACHINE_MB


def test_what_a_process_may_take_fits_its_limit() -> None:
    redis = megabytes(SERVICES["redis"]["mem_limit"])
    scheduler = megabytes(SERVICES["airflow-scheduler"]["mem_limit"])

    assert redis > Settings.model_fields["redis_max_memory_mb"].default
    # The heavy task's Python beside its DuckDB, and the scheduler itself with its idle workers.
    assert scheduler >= Settings.model_fields["duckdb_memory_mb"].default + 512 + 512


def test_ports_are_bound_to_this_machine_only() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert ports == {
        "web": [f"127.0.0.1:${{WEB_PORT:-{SETTINGS['WEB_PORT'].default}}}:{SETTINGS['WEB_PORT'].default}"],
        "airflow-api-server": [
            f"127.0.0.1:${{AIRFLOW_PORT:-{SETTINGS['AIRFLOW_PORT'].default}}}:{SETTINGS['AIRFLOW_PORT'].default}"
        ],
    }


@pytest.mark.parametrize(
    ("service", "setting"),
    [
        ("ingest", "INGEST_METRICS_PORT"),
        ("web", "WEB_PORT"),
        ("airflow-api-server", "AIRFLOW_PORT"),
        ("airflow-scheduler", "AIRFLOW_PORT"),
        ("airflow-dag-processor", "AIRFLOW_PORT"),
        ("simulator", "SIMULATOR_PORT"),
    ],
)
def test_a_health_check_asks_the_port_that_the_process_listens_on(service: str, setting: str) -> None:
    (check,) = re.findall(r"http://([\w.-]+):(\d+)/", " ".join(SERVICES[service]["healthcheck"]["test"]))
    elsewhere = {"airflow-scheduler": "airflow-api-server", "airflow-dag-processor": "airflow-api-server"}

    assert check == (elsewhere.get(service, "127.0.0.1"), str(SETTINGS[setting].default))


def test_the_containers_get_the_time_to_stop_that_the_processes_get(lake_settings: Settings) -> None:
    seconds = {
        program.name: f"{program.stop_seconds}s"
        for program in programs(lake_settings, demo=True)
        if program.name in SERVICES
    }

    assert seconds == {name: SERVICES[name]["stop_grace_period"] for name in seconds}
    assert len(seconds) >= 6


def flags(words: list[str]) -> dict[str, str]:
    """`--name value --name value` as a dictionary."""
    return {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}


def test_redis_keeps_its_data_as_the_embedded_one_does(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, words: started.append(words))
    exec_server(Settings(bluelake_home=home, redis_url=f"redis://127.0.0.1:{free_port()}/0", redis_max_memory_mb=1024))
    embedded = flags(started[0][1:])

    composed = flags(SERVICES["redis"]["command"][1:])
    composed["maxmemory"] = composed["maxmemory"].replace("${REDIS_MAX_MEMORY_MB:-1024}", "1024")

    assert composed == {name: embedded[name] for name in composed}
    assert composed.keys() == embedded.keys() - {"bind", "port", "dir", "logfile", "daemonize"}


def test_there_is_no_password_in_it_and_none_by_default() -> None:
    passwords = [match for match in INTERPOLATION.finditer(TEXT) if "PASSWORD" in match["name"]]

    assert passwords
    assert all(match["operator"] == "?" and ".env" in match["rest"] for match in passwords)
    assert dict(example_lines())["POSTGRES_PASSWORD"] == ""
    for name in SERVICES:
        for variable, value in environment(name).items():
            secretive = "PASSWORD" in variable or "SECRET" in variable or "KEY" in variable or "://" in (value or "")
            if secretive and value is not None and "@" in INTERPOLATION.sub("", value):
                assert INTERPOLATION.search(value), f"{name}: {variable}"


def test_it_names_no_path_of_a_machine() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"], f"{name}: {volume}"
        if "build" in service:
            assert service["build"]["context"] == "."
