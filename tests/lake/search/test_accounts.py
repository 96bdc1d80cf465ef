"""What searches know of the accounts: the newest status and handle, however and in whatever order they came."""

import random
from datetime import timedelta

import pytest

from bluelake.core.settings import Settings
from bluelake.lake.query import connect
from bluelake.lake.search import accounts as accounts_module
from bluelake.lake.search.accounts import HIDDEN, LATEST, Accounts
from tests.support.lakes import Lake
from tests.support.rows import NOON, Row, account, identity


@pytest.mark.parametrize("share_rows", [5, 10_000])
def test_they_are_what_all_events_say_after_every_drain(
    lake_settings: Settings, monkeypatch: pytest.MonkeyPatch, share_rows: int
) -> None:
    monkeypatch.setattr(accounts_module, "SHARE_ROWS", share_rows)
    draw = random.Random(5)
    lake = Lake(lake_settings)
    connection = connect(lake_settings)
    known = Accounts(connection)
    seconds = draw.sample(range(10_000), 120)
    events: list[Row] = []
    for batch in range(4):
        added = []
        for second in seconds[batch * 30 : batch * 30 + 30]:
            did, at = f"did:plc:{draw.randrange(12)}", NOON + timedelta(seconds=second)
            if draw.random() < 0.5:
                added.append(account(did, active=draw.random() < 0.5, at=at))
            else:
                added.append(identity(did, f"name{draw.randrange(99)}.test", at=at))
        events += added
        lake.write(accounts=added)
        known.refresh(lake.store.files("accounts"))
        newest: dict[tuple[str, str], Row] = {}
        for event in sorted(events, key=lambda event: event["event_at"]):
            newest[event["did"], event["kind"]] = event
        found = connection.execute(f"SELECT did, kind, handle, active FROM {LATEST}").fetchall()
        assert sorted(found, key=str) == sorted(
            ((did, kind, event.get("handle"), event.get("active")) for (did, kind), event in newest.items()), key=str
        )
        hidden = {did for (did, kind), event in newest.items() if kind == "account" and not event["active"]}
        assert {did for (did,) in connection.execute(f"SELECT did FROM {HIDDEN}").fetchall()} == hidden
