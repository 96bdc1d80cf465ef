"""Generated passwords and keys."""

import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from bluelake.core.errors import ConfigurationError
from bluelake.core.secrets import admin_password, secret
from bluelake.core.settings import Settings


def test_a_secret_is_made_once_and_is_its_owners_only(lake_settings: Settings) -> None:
    first = secret(lake_settings, "key", 32)

    assert len(base64.urlsafe_b64decode(first + "=")) == 32
    assert secret(lake_settings, "key", 32) == first
    assert secret(lake_settings, "other", 32) != first
    assert lake_settings.secrets_dir.stat().st_mode & 0o777 == 0o700
    assert [(path.name, path.stat().st_mode & 0o777) for path in sorted(lake_settings.secrets_dir.iterdir())] == [
        ("key", 0o600),
        ("other", 0o600),
    ]


def test_of_several_that_ask_at_once_all_get_the_same(lake_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    askers = 8
    together = Barrier(askers)
    generate = secrets.token_urlsafe

    def generated(nbytes: int) -> str:
        # Each of them has found none by now.
        together.wait(timeout=30)
        return generate(nbytes)

    monkeypatch.setattr(secrets, "token_urlsafe", generated)
    with ThreadPoolExecutor(askers) as pool:
        found = list(pool.map(lambda _: secret(lake_settings, "key", 32), range(askers)))

    assert set(found) == {(lake_settings.secrets_dir / "key").read_text().strip()}
    assert [path.name for path in lake_settings.secrets_dir.iterdir()] == ["key"]


def test_the_admin_password_is_the_one_that_is_set(home: Path) -> None:
    assert admin_password(Settings(bluelake_home=home, admin_password="mine")) == "mine"
    assert not (home / "secrets").exists()


def test_the_admin_password_is_generated_where_none_is_set(lake_settings: Settings) -> None:
    generated = admin_password(lake_settings)

    assert len(generated) == 20
    assert (lake_settings.secrets_dir / "admin-password").read_text() == generated + "\n"


def test_an_empty_secret_is_not_used(lake_settings: Settings) -> None:
    lake_settings.secrets_dir.mkdir()
    (lake_settings.secrets_dir / "key").write_text("\n")

    with pytest.raises(ConfigurationError, match="is empty; delete it"):
        secret(lake_settings, "key", 32)


def test_where_it_cannot_be_kept_is_said(lake_settings: Settings) -> None:
    lake_settings.secrets_dir.write_text("a file where the folder should be")

    with pytest.raises(ConfigurationError, match="cannot be kept there") as caught:
        secret(lake_settings, "key", 32)

    assert str(lake_settings.secrets_dir / "key") in str(caught.value)
