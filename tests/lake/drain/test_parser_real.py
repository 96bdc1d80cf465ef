"""The real frames, through a real Redis and a drain, against columns worked out from the JSON in plain Python."""

import json
from typing import Any

import pytest

from bluelake.buffer.client import Buffer
from bluelake.core.settings import Settings
from bluelake.lake.drain.drainer import drain
from tests.support.buffers import feed
from tests.support.expected import TABLES, base, record_row
from tests.support.lakes import rows


@pytest.mark.parametrize("collection", list(TABLES))
def test_every_record_is_in_its_table_once_with_the_right_columns(
    collection: str, buffer: Buffer, settings: Settings, real_frames: list[bytes]
) -> None:
    feed(buffer, real_frames)
    drain(settings)

    decoded = [json.loads(frame) for frame in real_frames]
    expected = [
        record_row(frame)
        for frame in decoded
        if frame["commit"]["collection"] == collection and frame["commit"]["operation"] == "create"
    ]
    names = ", ".join(f'"{name}"' for name in expected[0])
    stored = rows(settings, f"SELECT {names} FROM {TABLES[collection]}_all")

    def by_key(row: dict[str, Any]) -> tuple[str, str]:
        return row["did"], row["rkey"]

    assert sorted(stored, key=by_key) == sorted(expected, key=by_key)


def test_every_delete_is_in_its_table_once(buffer: Buffer, settings: Settings, real_frames: list[bytes]) -> None:
    feed(buffer, real_frames)
    drain(settings)

    decoded = [json.loads(frame) for frame in real_frames]
    expected = [
        base(frame) | {"collection": frame["commit"]["collection"]}
        for frame in decoded
        if frame["commit"]["operation"] == "delete"
    ]
    assert len(expected) == 3
    stored = rows(settings, "SELECT did, rkey, rev, event_at, collection FROM deletes_all ORDER BY rkey")
    assert stored == sorted(expected, key=lambda row: row["rkey"])


def test_what_has_no_table_is_kept_as_it_came(buffer: Buffer, settings: Settings, real_frames: list[bytes]) -> None:
    feed(buffer, real_frames)
    drain(settings)

    (foreign,) = [frame for frame in real_frames if b"fm.teal" in frame]
    stored = rows(settings, "SELECT reason, raw FROM rejects_all")
    assert stored == [{"reason": "unknown_collection", "raw": foreign}]
