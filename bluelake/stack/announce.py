"""Waits until the processes answer, then prints their addresses."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable

from bluelake.core.secrets import password_file
from bluelake.core.settings import Settings

Say = Callable[[str], None]
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 120.0


def addresses(settings: Settings) -> dict[str, str]:
    """The pages that a person opens, by name."""
    web = f"http://127.0.0.1:{settings.web_port}"
    return {
        "Search and API": f"{web}/",
        "Admin": f"{web}/admin/",
        "Airflow": f"http://127.0.0.1:{settings.airflow_port}/",
    }


def announce(settings: Settings, say: Say) -> bool:
    """Wait for the web server and Airflow, then print the addresses. Returns whether both answered in time."""
    probes = {
        "web": f"http://127.0.0.1:{settings.web_port}/healthz",
        "Airflow": f"http://127.0.0.1:{settings.airflow_port}/api/v2/monitor/health",
    }
    deadline = time.monotonic() + PATIENCE_SECONDS
    waiting = dict(probes)
    while waiting and time.monotonic() < deadline:
        waiting = {name: url for name, url in waiting.items() if not _answers(url)}
        if waiting:
            time.sleep(POLL_SECONDS)
    for name in waiting:
        say(f"{name} does not answer yet; its log is in {settings.home / 'logs'}")
    say("")
    say("Bluelake is running." if not waiting else "Bluelake is starting.")
    for name, url in addresses(settings).items():
        say(f"  {name:<15} {url}")
    password = "password as in ADMIN_PASSWORD" if settings.admin_password else f"password in {password_file(settings)}"
    say(f"  User admin, {password}")
    say(f"  Logs in {settings.home / 'logs'}; Ctrl-C stops everything.")
    return not waiting


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        # An error status is an answer too. The page itself names the fault.
        return True
    except OSError:
        return False
