"""Generated passwords and keys: made once, kept under BLUELAKE_HOME/secrets/, readable by their owner only."""

import os
import secrets
from pathlib import Path

from bluelake.core.errors import ConfigurationError
from bluelake.core.files import fsync_path
from bluelake.core.settings import Settings

ADMIN_PASSWORD = "admin-password"
_PASSWORD_BYTES = 15


def secret(settings: Settings, name: str, nbytes: int) -> str:
    """The secret `name`: `nbytes` random bytes as URL-safe text, generated at its first use.

    Processes that ask at the same time all get the same one. Raises ConfigurationError.
    """
    path = settings.secrets_dir / name
    try:
        settings.secrets_dir.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            _create(path, secrets.token_urlsafe(nbytes))
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: the secret cannot be kept there ({error}); change its owner or mode"
        ) from error
    if not value:
        raise ConfigurationError(f"{path}: is empty; delete it, and a new one is generated at the next start")
    return value


def admin_password(settings: Settings) -> str:
    """The password of the user `admin`, in Django and in Airflow: `ADMIN_PASSWORD`, or else a generated one.

    The generated one lies in BLUELAKE_HOME/secrets/admin-password. Raises ConfigurationError.
    """
    return settings.admin_password or secret(settings, ADMIN_PASSWORD, _PASSWORD_BYTES)


def password_file(settings: Settings) -> Path:
    """The file with the generated password of the user `admin`."""
    return settings.secrets_dir / ADMIN_PASSWORD


def _create(path: Path, value: str) -> None:
    """Write `value` to `path` unless another process was faster. A reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link fails where a file exists.
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
    fsync_path(path.parent)
