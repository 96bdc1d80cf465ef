"""The last status of each process."""

from pathlib import Path

import pytest

from bluelake.core.clock import now_us
from bluelake.core.settings import Settings
from bluelake.core.status import read_status, report


def test_what_is_said_last_is_what_is_read(lake_settings: Settings) -> None:
    before = now_us()
    report(lake_settings, "ingest", ok=True, state="connected")
    status = report(lake_settings, "ingest", ok=False, state="waiting", message="Redis is away")
    report(lake_settings, "drain", ok=True, state="done")

    assert read_status(lake_settings, "ingest") == status
    assert (status.part, status.ok, status.state, status.message) == ("ingest", False, "waiting", "Redis is away")
    assert before <= status.at_us <= now_us()
    assert sorted(path.name for path in (lake_settings.home / "status").iterdir()) == ["drain.json", "ingest.json"]


def test_who_fails_still_knows_when_all_was_well(lake_settings: Settings) -> None:
    assert report(lake_settings, "seal", ok=False, state="failed").last_well_us is None
    well = report(lake_settings, "seal", ok=True, state="done")
    assert well.last_well_us == well.at_us
    for _ in range(2):
        report(lake_settings, "seal", ok=False, state="failed")
    status = read_status(lake_settings, "seal")
    assert status is not None
    assert status.last_well_us == well.at_us


def test_what_a_version_before_said_is_understood(lake_settings: Settings) -> None:
    folder = lake_settings.home / "status"
    folder.mkdir()
    (folder / "seal.json").write_text('{"part": "seal", "ok": true, "state": "done", "message": "", "at_us": 7}')
    assert report(lake_settings, "seal", ok=False, state="failed").last_well_us == 7


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b'{"part": "ingest"}', b"\xff"])
def test_what_cannot_be_read_was_never_said(lake_settings: Settings, content: bytes | None) -> None:
    if content is not None:
        folder = lake_settings.home / "status"
        folder.mkdir()
        (folder / "ingest.json").write_bytes(content)

    assert read_status(lake_settings, "ingest") is None


def test_who_cannot_write_it_goes_on(tmp_path: Path) -> None:
    blocked = Settings(bluelake_home=tmp_path)
    (tmp_path / "status").write_text("a file where the folder should be")

    status = report(blocked, "ingest", ok=True, state="connected")

    assert status.state == "connected"
    assert read_status(blocked, "ingest") is None
