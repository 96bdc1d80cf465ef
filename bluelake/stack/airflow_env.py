"""Airflow's environment: the options of `airflow/airflow.env` for every installation, and those of this one.

`python -m bluelake.stack.airflow_env` prepares the database for docker-compose.yml, then ends.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from bluelake.core.errors import BluelakeError, ConfigurationError
from bluelake.core.files import write_durably
from bluelake.core.secrets import admin_password, secret
from bluelake.core.settings import Settings, load_settings, require_home
from bluelake.stack.guard import run_guarded

ROOT = Path(__file__).resolve().parent.parent.parent
PROCESSES = ("api-server", "scheduler", "dag-processor")
POOL = "heavy"
API_PATIENCE_SECONDS = 60.0
# Less than the supervisor grants, so that it never kills the guard itself.
STOP_SECONDS = 20.0
# Variables that win over ours where they are set: Airflow's options and its connections.
GIVEN = ("AIRFLOW__", "AIRFLOW_CONN_")


def require_airflow_files() -> None:
    """Raises ConfigurationError where `airflow/` and `dags/` are not there, as in the wheel alone."""
    for needed in ("airflow/airflow.env", "dags"):
        if not (ROOT / needed).exists():
            raise ConfigurationError(
                f"airflow: needs the folder {needed.partition('/')[0]}/ of Bluelake, which is not installed here; "
                "run it in a checkout of the project"
            )


def static_environment() -> dict[str, str]:
    """The variables of `airflow/airflow.env`, which the containers read too. Raises ConfigurationError."""
    require_airflow_files()
    pairs = {}
    for line in (ROOT / "airflow" / "airflow.env").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, value = line.partition("=")
            pairs[name.strip()] = value.strip()
    return pairs


def airflow_environment(settings: Settings) -> dict[str, str]:
    """The whole environment of an Airflow process of this installation. Makes the folder and the secrets that it needs.

    An option that is set already wins. So docker-compose.yml can name another database and other hosts. AIRFLOW_HOME is
    the exception: Airflow's state always lies in BLUELAKE_HOME.
    """
    folder = settings.home / "airflow"
    folder.mkdir(exist_ok=True)
    passwords = folder / "passwords.json"
    _write_passwords(passwords, json.dumps({"admin": admin_password(settings)}).encode())
    own = {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        # Fernet insists on the padding.
        "AIRFLOW__CORE__FERNET_KEY": secret(settings, "airflow-fernet-key", 32) + "=",
        "AIRFLOW__API__SECRET_KEY": secret(settings, "airflow-api-secret", 64),
        "AIRFLOW__API_AUTH__JWT_SECRET": secret(settings, "airflow-jwt-secret", 64),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{settings.airflow_port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{settings.airflow_port}/execution/",
        "AIRFLOW_CONN_BLUELAKE_REDIS": redis_connection(settings.redis_url),
        "BLUELAKE_HOME": str(settings.home),
        "REDIS_URL": settings.redis_url,
    }
    given = {name: value for name, value in os.environ.items() if name.startswith(GIVEN)}
    return {**os.environ, **static_environment(), **own, **given}


def _write_passwords(path: Path, content: bytes) -> None:
    """Write `content` to `path` unless it is there already: containers share the folder."""
    try:
        if path.read_bytes() == content:
            return
    except FileNotFoundError:
        pass
    write_durably(path, content, mode=0o600)


def redis_connection(url: str) -> str:
    """`url` as an Airflow connection: that takes the database and TLS as parameters, and ignores the path."""
    parts = urlsplit(url)
    options = {"db": parts.path.strip("/") or "0", **dict(parse_qsl(parts.query))}
    if parts.scheme == "rediss":
        options["ssl"] = "true"
    return f"redis://{parts.netloc}/?{urlencode(options)}"


def airflow_command(*arguments: str) -> list[str]:
    """The command line of Airflow with `arguments`, in this Python environment."""
    return [sys.executable, "-m", "airflow", *arguments]


def prepare_database(settings: Settings) -> None:
    """Migrate Airflow's database, and make the pool of one slot that heavy tasks share.

    Raises BluelakeError with the end of Airflow's output.
    """
    environment = airflow_environment(settings)
    for arguments in (
        ("db", "migrate"),
        ("pools", "set", POOL, "1", "One heavy task at a time: drain, views, maintenance"),
    ):
        done = subprocess.run(airflow_command(*arguments), env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise BluelakeError(f"airflow {' '.join(arguments)} failed:\n{tail}")


def run_process(settings: Settings, process: str) -> int:
    """Run one of Airflow's processes in the foreground until SIGTERM or SIGINT. Returns its exit code.

    The scheduler waits for the API server: without it the first tasks would fail.
    """
    environment = airflow_environment(settings)
    if process == "scheduler":
        _wait_for_api(environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"])
    return run_guarded(airflow_command(process), environment, STOP_SECONDS)


def _wait_for_api(execution_url: str) -> None:
    """Wait until the API server answers with any status, at most API_PATIENCE_SECONDS."""
    deadline = time.monotonic() + API_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(urljoin(execution_url, "/api/v2/version"), timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.5)


def main() -> int:
    """Prepare the database of this environment's installation. Returns the exit code."""
    try:
        settings = load_settings()
        require_home(settings, create=True)
        prepare_database(settings)
    except BluelakeError as error:
        print(f"bluelake: {error}", file=sys.stderr)
        return error.exit_code
    print("Airflow's database is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
