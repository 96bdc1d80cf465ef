"""Settings from the environment, and the folder of all state."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bluelake.core.clock import to_us
from bluelake.core.errors import ConfigurationError
from bluelake.core.settings import Settings, load_settings, parse_start, require_home

NOW = datetime(2026, 7, 4, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_every_setting_has_a_default_and_says_what_it_is() -> None:
    load_settings()

    assert all(field.description for field in Settings.model_fields.values())


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "JETSTREAM_URLS": " ws://one.example/subscribe, wss://two.example:443/subscribe ,",
        "LOG_LEVEL": "debug",
        "MAX_ROWS_FLAG": "off",
        "REWIND_SECONDS": "2.5",
        "WEB_PORT": "8001",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)

    settings = load_settings()

    assert settings.jetstream_urls == ("ws://one.example/subscribe", "wss://two.example:443/subscribe")
    assert (settings.log_level, settings.max_rows_flag) == ("DEBUG", False)
    assert (settings.rewind_seconds, settings.web_port) == (2.5, 8001)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JETSTREAM_URLS", "wss://good.example/subscribe,https://reader:s3cret@two.example/subscribe"),
        ("JETSTREAM_URLS", "wss://reader:s3/cret@two.example/subscribe"),
        ("REDIS_URL", "http://:s3cret@two.example:6379"),
    ],
)
def test_a_bad_url_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=r"//\*\*\*@two.example") as caught:
        load_settings()
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("BLUELAKE_HOME", "", "is empty"),
        ("BLUELAKE_HOME", "  ", "is empty"),
        ("BLUELAKE_HOME", "~nobody-of-that-name/lake", "not here"),
        ("LOG_LEVEL", "loud", "DEBUG, INFO, WARNING, ERROR"),
        ("REDIS_URL", "", "not a Redis URL"),
        ("REDIS_URL", "http://127.0.0.1:6379", "not a Redis URL"),
        ("REDIS_URL", "redis://[::1", "IPv6"),
        ("REDIS_URL", "redis://127.0.0.1:99999/0", "not a Redis URL"),
        ("JETSTREAM_URLS", "", "names no host"),
        ("JETSTREAM_URLS", " , ", "names no host"),
        ("JETSTREAM_URLS", "https://one.example/subscribe", "not a websocket URL"),
        ("JETSTREAM_URLS", "ws://one.example/subscribe,two.example", "'two.example' is not a websocket URL"),
        ("JETSTREAM_URLS", "wss:///subscribe", "not a websocket URL"),
        ("JETSTREAM_URLS", "ws://one.example:port/subscribe", "not a websocket URL"),
        ("JETSTREAM_START", "yesterday", "RFC 3339"),
        ("JETSTREAM_START", "1000000d", "RFC 3339"),
        ("JETSTREAM_START", "9" * 30 + "d", "RFC 3339"),
        ("JETSTREAM_START", "9" * 30, "RFC 3339"),
        ("JETSTREAM_START", "", "RFC 3339"),
        ("DRAIN_SCHEDULE", "* * *", "five fields"),
        ("REFRESH_SCHEDULE", "@daily", "five fields"),
        ("EMBEDDED_REDIS", "maybe", "boolean"),
        ("MAX_ROWS_FLAG", "", "boolean"),
        ("REDIS_MAX_MEMORY_MB", "1", "16"),
        ("REWIND_SECONDS", "-1", "0"),
        ("REWIND_SECONDS", "nan", "finite"),
        ("FUTURE_SECONDS", "inf", "finite"),
        ("RAW_KEEP_DAYS", "1e999", "finite"),
        ("GAP_SECONDS", "0", "0"),
        ("FLUSH_SECONDS", "soon", "number"),
        ("FLUSH_EVENTS", "1.5", "integer"),
        ("INGEST_METRICS_PORT", "65536", "65535"),
        ("WEB_PORT", "0", "1"),
        ("WEB_WORKERS", "9" * 30, "64"),
        ("AIRFLOW_PORT", "80 80", "integer"),
    ],
)
def test_a_bad_value_is_told_in_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    message = str(caught.value)
    assert message.startswith(f"{name}={value}: ")
    assert reason in message
    assert "\n" not in message
    assert caught.value.exit_code == 2


# The reserve: the grace, and four days.
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"RAW_KEEP_DAYS": "28"}, None),
        (
            {"RAW_KEEP_DAYS": "365"},
            "RAW_KEEP_DAYS=365: raw/ would hold deleted records for longer than PURGE_DAYS=30; set RAW_KEEP_DAYS to at most 28,",
        ),
        ({"RAW_KEEP_DAYS": "28.5"}, "RAW_KEEP_DAYS=28.5: raw/ would"),
        ({"RAW_KEEP_DAYS": "365", "PURGE_DAYS": "367"}, None),
        ({"RAW_KEEP_DAYS": "365", "BLUELAKE_DELETIONS": "keep"}, None),
        ({"PURGE_DAYS": "5.5"}, None),
        ({"PURGE_DAYS": "5"}, "PURGE_DAYS=5: with VACUUM_GRACE_HOURS=24 it takes up to 5 days"),
        (
            {"PURGE_DAYS": "10", "VACUUM_GRACE_HOURS": "144"},
            "PURGE_DAYS=10: with VACUUM_GRACE_HOURS=144 it takes up to 10 days",
        ),
        ({"PURGE_DAYS": "10.5", "VACUUM_GRACE_HOURS": "144"}, None),
        ({"PURGE_DAYS": "5", "BLUELAKE_DELETIONS": "keep"}, None),
    ],
)
def test_settings_that_would_keep_what_is_deleted_for_too_long_are_refused(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], message: str | None
) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", "s3cret")
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    if message is None:
        load_settings()
        return

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    told = str(caught.value)
    assert told.startswith(message)
    assert told.endswith(" (docs/settings.md)")
    assert "s3cret" not in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("start", "moment"),
    [
        ("now", NOW),
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("1h", NOW - timedelta(hours=1)),
        (" 2 d ", NOW - timedelta(days=2)),
        ("0s", NOW),
        ("2026-07-01", datetime(2026, 7, 1, tzinfo=UTC)),
        ("2026-07-01T10:30:00", datetime(2026, 7, 1, 10, 30, tzinfo=UTC)),
        ("2026-07-01T10:30:00Z", datetime(2026, 7, 1, 10, 30, tzinfo=UTC)),
        ("2026-07-01T10:30:00.25+09:00", datetime(2026, 7, 1, 1, 30, 0, 250_000, tzinfo=UTC)),
        ("1783166400000001", NOW + timedelta(microseconds=1)),
    ],
)
def test_where_the_first_run_starts(start: str, moment: datetime) -> None:
    assert parse_start(start, NOW) == to_us(moment)


@pytest.mark.parametrize("start", ["", "1", "h", "1w", "-1h", "1.5h", "1h30m", "1783166400", "NOW", "2026-13-01", "²"])
def test_where_the_first_run_cannot_start(start: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_start(start, NOW)


def test_all_state_is_below_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(bluelake_home=Path("data"))

    assert settings.home == tmp_path / "data"
    for path in (
        settings.lake_dir,
        settings.raw_dir,
        settings.views_dir,
        settings.watermark_path,
        settings.spill_dir,
        settings.secrets_dir,
    ):
        assert path.parent == settings.home


def test_a_home_below_the_users_own_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert Settings(bluelake_home=Path("~/lake")).home == tmp_path / "lake"


@pytest.mark.parametrize(
    ("redis_url", "embedded", "runs"),
    [
        (None, None, True),
        ("redis://127.0.0.1:6380/0", None, False),
        ("redis://127.0.0.1:6380/0", "true", True),
        (None, "false", False),
    ],
)
def test_when_a_redis_of_our_own_runs(
    monkeypatch: pytest.MonkeyPatch, redis_url: str | None, embedded: str | None, runs: bool
) -> None:
    for name, value in (("REDIS_URL", redis_url), ("EMBEDDED_REDIS", embedded)):
        if value is not None:
            monkeypatch.setenv(name, value)

    assert load_settings().runs_embedded_redis is runs


def test_a_missing_home_is_made_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    settings = Settings(bluelake_home=tmp_path / "lake")

    assert require_home(settings, create=True) == tmp_path / "lake"
    assert require_home(settings, create=True) == tmp_path / "lake"
    assert list((tmp_path / "lake").iterdir()) == []


def test_a_missing_home_is_not_made_for_who_only_reads(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder; start Bluelake there first"):
        require_home(Settings(bluelake_home=tmp_path / "lake"), create=False)

    assert not (tmp_path / "lake").exists()


def test_the_parents_of_a_home_are_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist; create it, or name another") as caught:
        require_home(Settings(bluelake_home=tmp_path / "mistyped" / "lake"), create=True)

    assert str(tmp_path / "mistyped") in str(caught.value)
    assert not (tmp_path / "mistyped").exists()


@pytest.mark.parametrize("place", ["file", "file/lake", "dangling", "x" * 300, "/dev/null", "/proc/lake", "/sys"])
@pytest.mark.parametrize("create", [True, False])
def test_what_cannot_be_a_home_is_told_in_one_line(tmp_path: Path, place: str, create: bool) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "lake")
    home = tmp_path / place

    with pytest.raises(ConfigurationError) as caught:
        require_home(Settings(bluelake_home=home), create=create)

    assert str(caught.value).startswith(f"BLUELAKE_HOME={home}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_of_somebody_else_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ConfigurationError, match=r"cannot be written \(Permission denied\)"):
            require_home(Settings(bluelake_home=tmp_path), create=True)
    finally:
        tmp_path.chmod(0o700)


def test_a_bad_value_of_several_lines_is_told_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_PORT", "80\n81")

    with pytest.raises(ConfigurationError, match=r"^WEB_PORT=80 81: ") as caught:
        load_settings()

    assert "\n" not in str(caught.value)


def test_where_no_folder_can_be_made_it_is_not_the_parent_that_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        require_home(Settings(bluelake_home=Path("/proc/lake")), create=True)
