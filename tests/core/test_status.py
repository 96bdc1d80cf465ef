"""What processes say of themselves."""

from pathlib import Path

import pytest

from core.clock import now_us
from core.settings import Settings
from core.status import read_status, report


def test_what_is_said_last_is_what_is_read(lake_settings: Settings) -> None:
    before = now_us()
    report(lake_settings, "ingest", ok=True, state="connected")
    said = report(lake_settings, "ingest", ok=False, state="waiting", message="Redis is away")
    report(lake_settings, "drain", ok=True, state="done")

    assert read_status(lake_settings, "ingest") == said
    assert (said.part, said.ok, said.state, said.message) == ("ingest", False, "waiting", "Redis is away")
    assert before <= said.at_us <= now_us()
    assert sorted(path.name for path in (lake_settings.home / "status").iterdir()) == ["drain.json", "ingest.json"]


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

    said = report(blocked, "ingest", ok=True, state="connected")

    assert said.state == "connected"
    assert read_status(blocked, "ingest") is None
