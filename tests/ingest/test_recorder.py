"""Recording what a host replays."""

from pathlib import Path

import pytest

from ingest.recorder import NotServedError, record


def test_a_host_that_cannot_be_had_is_named_without_its_password(tmp_path: Path) -> None:
    url = "ws://reader:s3cret@127.0.0.1:1/subscribe#part"
    with pytest.raises(NotServedError, match=r"^127.0.0.1:1 does not") as caught:
        record(url, 0, 1, tmp_path / "recording.zst", largest_frame_bytes=1 << 20)
    assert "s3cret" not in str(caught.value)
