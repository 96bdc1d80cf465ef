"""docker-compose.yml's commands, run without containers but with its environment, on a real PostgreSQL."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.compose import COMPOSE, INTERPOLATION, SERVICES, environment
from tests.support.paths import ROOT
from tests.support.processes import clean_environment, free_port, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def postgres() -> Iterator[int]:
    """The port of a PostgreSQL as the service `postgres` sets it up, with both databases."""
    if shutil.which("initdb") is None or shutil.which("postgres") is None:
        pytest.skip("no PostgreSQL server is installed here")
    # It refuses to run as root, and pytest's own folders are closed to everybody else.
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        if user:
            shutil.chown(folder, user)
        data, port = f"{folder}/data", free_port()
        create = ["initdb", "--pgdata", data, "--username=bluelake", "--auth=trust", "--no-sync"]
        subprocess.run(create, user=user, stdout=subprocess.DEVNULL, check=True)
        listen = ["postgres", "-D", data, "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1", "-F"]
        server = subprocess.Popen(listen, user=user, stderr=subprocess.DEVNULL)
        psql = ["psql", "--host=127.0.0.1", f"--port={port}", "--username=bluelake", "--no-psqlrc", "--quiet"]
        statements = ["CREATE DATABASE bluelake", COMPOSE["configs"]["airflow-database"]["content"]]

        def answers() -> bool:
            return subprocess.run([*psql, "postgres", "-c", ""], stderr=subprocess.DEVNULL, check=False).returncode == 0

        try:
            wait_until(answers, what="PostgreSQL answers")
            for statement in statements:
                subprocess.run([*psql, "postgres", "-c", statement], check=True)
            yield port
        finally:
            # At once, without waiting for whoever is still connected.
            server.send_signal(signal.SIGINT)
            server.wait()


def composed(service: str, postgres: int, **own: str) -> dict[str, str]:
    """The environment of `service`, with a PostgreSQL on this machine's port `postgres` and with `own` in place."""
    given = {name: value for name, value in environment(service).items() if value is not None}
    here = {
        name: INTERPOLATION.sub(lambda match: "secret" if match["operator"] == "?" else match["rest"], value).replace(
            "@postgres:5432/", f"@127.0.0.1:{postgres}/"
        )
        for name, value in given.items()
    }
    return clean_environment(**{**here, **own})


def test_the_one_shot_prepares_airflow_on_postgresql(postgres: int, home: Path) -> None:
    command = [sys.executable, *SERVICES["airflow-init"]["entrypoint"][1:]]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=composed("airflow-init", postgres, BLUELAKE_HOME=str(home)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "Airflow's database is ready\n"), done.stderr

    query = ["psql", "--host=127.0.0.1", f"--port={postgres}", "--username=bluelake", "--no-psqlrc", "-At", "airflow"]
    pools = subprocess.run(
        [*query, "-c", "SELECT slots FROM slot_pool WHERE pool = 'heavy'"], capture_output=True, text=True, check=True
    )
    assert pools.stdout.split() == ["1"]
    assert not (home / "airflow" / "airflow.db").exists()
    assert (home / "secrets" / "admin-password").stat().st_mode & 0o777 == 0o600


def test_the_web_server_keeps_its_users_in_postgresql(postgres: int, home: Path) -> None:
    port, nothing = free_port(), free_port()
    own = {
        "BLUELAKE_HOME": str(home),
        "REDIS_URL": f"redis://127.0.0.1:{nothing}/0",
        "WEB_HOST": "127.0.0.1",
        "WEB_PORT": str(port),
    }
    check = [word.replace(":8000/", f":{port}/") for word in SERVICES["web"]["healthcheck"]["test"][2:]]

    def healthy() -> bool:
        assert server.poll() is None
        return subprocess.run([sys.executable, *check], capture_output=True, check=False).returncode == 0

    assert subprocess.run([sys.executable, *check], capture_output=True, check=False).returncode != 0
    command = [sys.executable, "-m", "bluelake", *SERVICES["web"]["command"]]
    with (home / "web.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=composed("web", postgres, **own), stdout=log, stderr=log)
    try:
        wait_until(healthy, seconds=60, what="the web server is healthy")
    finally:
        server.terminate()
        server.wait()
    query = ["psql", "--host=127.0.0.1", f"--port={postgres}", "--username=bluelake", "--no-psqlrc", "-At", "bluelake"]
    users = subprocess.run([*query, "-c", "SELECT username FROM auth_user"], capture_output=True, text=True, check=True)
    assert users.stdout.split() == ["admin"]
    assert not list(home.glob("*.sqlite3*"))
