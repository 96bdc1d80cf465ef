"""Airflow's environment, outside containers and in them."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bluelake.core.errors import BluelakeError
from bluelake.core.settings import Settings
from bluelake.stack import airflow_env
from bluelake.stack.airflow_env import airflow_environment, main, prepare_database, redis_connection, static_environment
from tests.support.paths import ROOT


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ, *(name.upper() for name in Settings.model_fields)]:
        if name.startswith("AIRFLOW") or name.lower() in Settings.model_fields:
            monkeypatch.delenv(name, raising=False)


def test_what_is_the_same_everywhere_is_in_one_file() -> None:
    static = static_environment()

    assert static["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert static["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "False"
    assert all(name.startswith("AIRFLOW__") and value for name, value in static.items())


def test_an_installation_has_its_own_folder_database_and_addresses(home: Path) -> None:
    settings = Settings(bluelake_home=home, airflow_port=18080, redis_url="redis://127.0.0.1:6380/2")

    environment = airflow_environment(settings)

    assert environment.items() >= static_environment().items()
    assert environment["AIRFLOW_HOME"] == str(home / "airflow")
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == str(ROOT / "dags")
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{home}/airflow/airflow.db"
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environment["AIRFLOW__API__PORT"] == "18080"
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:18080/execution/"
    assert (environment["BLUELAKE_HOME"], environment["REDIS_URL"]) == (str(home), "redis://127.0.0.1:6380/2")
    assert environment["PATH"] == os.environ["PATH"]


def test_secrets_are_long_and_stay(lake_settings: Settings) -> None:
    first, second = airflow_environment(lake_settings), airflow_environment(lake_settings)

    secrets = ["AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"]
    assert [first[name] for name in secrets] == [second[name] for name in secrets]
    assert len({first[name] for name in secrets}) == 3
    assert len(first["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64


def test_an_option_that_is_set_already_wins(lake_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://bluelake:secret@postgres:5432/airflow",
        "AIRFLOW__API__HOST": "0.0.0.0",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://airflow-api-server:8080/execution/",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW_CONN_BLUELAKE_REDIS": "redis://elsewhere:6379/?db=1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    assert airflow_environment(lake_settings).items() >= given.items()


def test_the_folder_of_all_state_is_not_airflows_to_choose(
    lake_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    monkeypatch.setenv("BLUELAKE_HOME", "data")

    environment = airflow_environment(lake_settings)

    assert environment["AIRFLOW_HOME"] == str(lake_settings.home / "airflow")
    assert environment["BLUELAKE_HOME"] == str(lake_settings.home)


def test_the_password_file_is_its_owners_only_and_written_when_it_changes(home: Path) -> None:
    path = home / "airflow" / "passwords.json"
    environment = airflow_environment(Settings(bluelake_home=home, admin_password="first"))
    written = path.stat()

    assert environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] == str(path)
    assert json.loads(path.read_text()) == {"admin": "first"}
    assert written.st_mode & 0o777 == 0o600

    airflow_environment(Settings(bluelake_home=home, admin_password="first"))
    assert path.stat().st_ino == written.st_ino

    airflow_environment(Settings(bluelake_home=home, admin_password="second"))
    assert json.loads(path.read_text()) == {"admin": "second"}


@pytest.mark.parametrize(
    ("url", "netloc", "options"),
    [
        ("redis://127.0.0.1:6379/2", "127.0.0.1:6379", {"db": ["2"]}),
        ("redis://127.0.0.1:6379", "127.0.0.1:6379", {"db": ["0"]}),
        ("redis://user:p%40ss@redis:6380/", "user:p%40ss@redis:6380", {"db": ["0"]}),
        ("redis://redis/1?db=3", "redis", {"db": ["3"]}),
        (
            "rediss://redis:6380/1?ssl_cert_reqs=none",
            "redis:6380",
            {"db": ["1"], "ssl": ["true"], "ssl_cert_reqs": ["none"]},
        ),
    ],
)
def test_airflow_gets_the_same_redis(url: str, netloc: str, options: dict[str, list[str]]) -> None:
    parts = urlsplit(redis_connection(url))

    assert (parts.scheme, parts.netloc, parts.path) == ("redis", netloc, "/")
    assert parse_qs(parts.query) == options


def test_a_migration_that_fails_tells_the_end_of_what_airflow_said(
    lake_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import sys; print('\\n'.join(map(str, range(40)))); sys.exit('no such database')"
    monkeypatch.setattr(airflow_env, "airflow_command", lambda *arguments: [sys.executable, "-c", script])

    with pytest.raises(BluelakeError) as caught:
        prepare_database(lake_settings)

    lines = str(caught.value).splitlines()
    assert lines[0] == "airflow db migrate failed:"
    assert lines[-2:] == ["39", "no such database"]
    assert len(lines) == 16


def test_preparing_migrates_and_makes_the_pool(lake_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    log = lake_settings.home / "commands"
    script = f"import sys; open({str(log)!r}, 'a').write(' '.join(sys.argv[1:4]) + '\\n')"
    monkeypatch.setattr(airflow_env, "airflow_command", lambda *arguments: [sys.executable, "-c", script, *arguments])
    monkeypatch.setenv("BLUELAKE_HOME", str(lake_settings.home))

    assert main() == 0
    assert log.read_text().splitlines() == ["db migrate", "pools set heavy"]


def test_the_one_shot_tells_a_bad_setting_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("BLUELAKE_HOME", str(tmp_path / "missing" / "lake"))

    assert main() == 2
    assert capsys.readouterr().err == (
        f"bluelake: BLUELAKE_HOME={tmp_path}/missing/lake: {tmp_path}/missing does not exist; "
        "create it, or name another\n"
    )
