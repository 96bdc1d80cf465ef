"""Runs the web server: prepares the database of users, then becomes gunicorn in the foreground.

gunicorn replaces this process. So its workers inherit nothing of delta-rs, DuckDB or Django's database, and the signals of
a supervisor reach it directly.
"""

import logging
import os
import shutil
import sys

from bluelake.core.errors import ConfigurationError
from bluelake.core.secrets import admin_password
from bluelake.core.settings import Settings, require_home
from bluelake.stack.ports import require_free_port

log = logging.getLogger(__name__)

THREADS = 4
TIMEOUT_SECONDS = 60
# The time that running requests get to end after SIGTERM.
GRACEFUL_SECONDS = 20


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Does not return. `settings` must be those of the environment: the workers read it.

    Raises ConfigurationError for a taken port, a folder that cannot be written, or a database that cannot be used.
    """
    require_home(settings, create=True)
    require_free_port("WEB_PORT", settings.web_host, settings.web_port)
    prepare_database(settings)
    multiprocess_dir = settings.home / "prometheus" / "web"
    shutil.rmtree(multiprocess_dir, ignore_errors=True)
    multiprocess_dir.mkdir(parents=True)
    environment = {
        **os.environ,
        "BLUELAKE_HOME": str(settings.home),
        "DJANGO_SETTINGS_MODULE": "webapi.settings",
        "PROMETHEUS_MULTIPROC_DIR": str(multiprocess_dir),
    }
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, gunicorn_command(settings), environment)


def gunicorn_command(settings: Settings) -> list[str]:
    """gunicorn's command line."""
    host = f"[{settings.web_host}]" if ":" in settings.web_host else settings.web_host
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "webapi.wsgi:application",
        "--config=python:webapi.gunicorn_config",
        f"--bind={host}:{settings.web_port}",
        f"--workers={settings.web_workers}",
        "--worker-class=gthread",
        f"--threads={THREADS}",
        f"--timeout={TIMEOUT_SECONDS}",
        f"--graceful-timeout={GRACEFUL_SECONDS}",
        f"--log-level={settings.log_level.lower()}",
        "--name=bluelake-web",
        # A text that is too long gets our own error message instead of gunicorn's page.
        "--limit-request-line=0",
        "--no-control-socket",
    ]


def prepare_database(settings: Settings) -> None:
    """Migrate the database of users and sessions, and set the password of `admin`."""
    os.environ["BLUELAKE_HOME"] = str(settings.home)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapi.settings")
    import django
    from django.core.management import call_command
    from django.db import DatabaseError, connections

    django.setup()
    try:
        call_command("migrate", interactive=False, verbosity=0)
        _set_admin(admin_password(settings))
    except DatabaseError as error:
        where = "DATABASE_URL" if settings.database_url else str(settings.home / "web.sqlite3")
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigurationError(
            f"{where}: the database of users cannot be used ({reason}); check that it runs"
        ) from None
    finally:
        connections.close_all()


def _set_admin(password: str) -> None:
    from django.contrib.auth import get_user_model

    users = get_user_model()
    admin, created = users.objects.get_or_create(username="admin", defaults={"is_staff": True, "is_superuser": True})
    # A new hash would end the sessions of the admin at every start.
    if created or not admin.check_password(password):
        admin.set_password(password)
        admin.save()
        log.info("the user admin has a new password")
