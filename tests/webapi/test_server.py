"""The real server: gunicorn, its workers, and how it starts and stops."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from bluelake.core.errors import ConfigurationError
from bluelake.core.secrets import admin_password, secret
from bluelake.core.settings import Settings
from tests.support.lakes import Lake
from tests.support.paths import ROOT
from tests.support.processes import clean_environment, free_port, wait_until
from tests.support.rows import NOON, SECOND, post
from webapi.server import run

SERVE = "from bluelake.core.settings import load_settings; from webapi.server import run; run(load_settings())"


class Server:
    """`webapi.server.run` in a process of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        environment = clean_environment(
            BLUELAKE_HOME=str(home), WEB_PORT=str(self.port), REDIS_URL="redis://127.0.0.1:1/0", DUCKDB_THREADS="2"
        )
        command = [sys.executable, "-c", SERVE]
        with (home / "web.log").open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        wait_until(self._answers, what=f"the server answers, {home / 'web.log'}")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.home / "web.log").read_text()
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()


@pytest.mark.integration
def test_a_commit_is_found_by_every_worker_at_once(server: Server) -> None:
    lake = Lake(Settings(bluelake_home=server.home))
    for i in range(3):
        lake.write([post("fresh", rkey=str(i), at=NOON + i * SECOND)])
        for _ in range(6):
            status, body = server.get("/search?text=fresh")
            assert status == 200
            assert json.loads(body)["meta"]["total"] == i + 1


@pytest.mark.integration
def test_counts_are_those_of_all_workers(server: Server) -> None:
    for _ in range(20):
        assert server.get("/search?nonsense=1")[0] == 400
    _, text = server.get("/metrics")
    [line] = [line for line in text.splitlines() if 'route="search",status="400"' in line]
    assert float(line.split()[-1]) >= 20
    assert server.get("/nope")[0] == 404


@pytest.mark.integration
@pytest.mark.parametrize("text", ["x" * 10_000, quote("雨" * 10_000), "%00", "%ff", "%F0%9F%8D%A3", "';DROP--%25(["])
def test_any_text_gets_an_answer_that_names_it(server: Server, text: str) -> None:
    status, body = server.get(f"/search?text={text}")
    if len(text) > 1000 or text == "%00":
        assert (status, json.loads(body)["error"]["parameter"]) == (400, "text")
    elif text == "%ff":
        assert (status, json.loads(body)["error"]["parameter"]) == (400, "query")
    else:
        assert status == 200


@pytest.mark.integration
def test_admin_logs_in_with_the_generated_password(server: Server) -> None:
    password_file = server.home / "secrets" / "admin-password"
    assert password_file.stat().st_mode & 0o777 == 0o600
    cookies = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    url = f"http://127.0.0.1:{server.port}/admin/login/?next=/admin/"
    with browser.open(url, timeout=20) as response:
        page = response.read().decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    form = {"csrfmiddlewaretoken": token, "username": "admin", "password": password_file.read_text().strip()}
    with browser.open(url, urlencode(form).encode(), timeout=20) as response:
        assert response.url.endswith("/admin/")
        assert "Log out" in response.read().decode()


@pytest.mark.integration
def test_static_files_are_served(server: Server) -> None:
    for path in ("/static/webapi/bluelake.css", "/static/admin/css/base.css"):
        assert server.get(path)[0] == 200


@pytest.mark.integration
def test_a_taken_port_is_one_line(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"WEB_PORT: port {server.port} of 127.0.0.1 is taken") as caught:
        run(Settings(bluelake_home=tmp_path, web_port=server.port))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.integration
def test_sigterm_ends_it_and_frees_the_port(server: Server) -> None:
    assert server.stop() == 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", server.port))
    log = (server.home / "web.log").read_text()
    assert "Traceback" not in log
    # What is wrong with a request is told to whoever made it, not to the log.
    assert "Bad Request" not in log


def test_a_secret_is_made_once(home: Path) -> None:
    settings = Settings(bluelake_home=home)
    first = secret(settings, "key", 32)
    assert (first, len(first) >= 43) == (secret(settings, "key", 32), True)
    assert settings.secrets_dir.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in settings.secrets_dir.iterdir()) == ["key"]
    assert admin_password(settings) == admin_password(settings) != first
    assert admin_password(Settings(bluelake_home=home, admin_password="chosen")) == "chosen"
    (settings.secrets_dir / "key").write_text("\n")
    with pytest.raises(ConfigurationError, match="empty"):
        secret(settings, "key", 32)


@pytest.mark.integration
def test_two_processes_get_the_same_secret(home: Path) -> None:
    code = (
        "from bluelake.core.settings import load_settings; from bluelake.core.secrets import secret;"
        "print(secret(load_settings(), 'k', 20))"
    )
    environment = clean_environment(BLUELAKE_HOME=str(home))
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    values = {process.communicate(timeout=30)[0] for process in processes}
    assert len(values) == 1
    assert values != {b""}


def test_a_folder_that_cannot_hold_secrets_says_so(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file")
    with pytest.raises(ConfigurationError, match="cannot be kept"):
        secret(Settings(bluelake_home=home), "key", 8)
    assert os.listdir(tmp_path) == ["home"]
