"""The admin's pages on the lake."""

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from bluelake.lake.views.published import Published
from tests.support.lakes import Lake
from tests.support.rows import NOON, SECOND, batch

PAGES = (
    "/admin/",
    "/admin/webapi/publishedview/",
    "/admin/webapi/publishedview/hours/",
    "/admin/webapi/batch/",
    "/admin/webapi/gap/",
)


@pytest.fixture
def admin(client: Client) -> Client:
    """A client that is logged in."""
    call_command("migrate", interactive=False, verbosity=0)
    user, _ = get_user_model().objects.get_or_create(username="ann", is_staff=True, is_superuser=True)
    client.force_login(user)
    return client


@pytest.mark.parametrize("path", PAGES)
def test_nobody_looks_without_a_login(published: Published, client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_a_login_without_staff_status_is_not_enough(published: Published, admin: Client) -> None:
    user = get_user_model().objects.create(username="reader")
    try:
        admin.force_login(user)
        for path in PAGES:
            assert admin.get(path).status_code == 302
    finally:
        user.delete()


def test_the_index_lists_views_and_batches(lake: Lake, admin: Client) -> None:
    page = admin.get("/admin/").content.decode()
    assert 'href="/admin/webapi/publishedview/"' in page
    assert 'href="/admin/webapi/batch/"' in page
    assert 'href="/admin/webapi/gap/"' in page
    assert "/webapi/batch/add/" not in page


def test_gaps_show_what_is_open_and_what_was_repaired(lake: Lake, admin: Client) -> None:
    assert "There is no gap" in admin.get("/admin/webapi/gap/").content.decode()
    gap = {
        "event_at": NOON,
        "from_at": NOON,
        "to_at": NOON + 90 * SECOND,
        "host": "ws://<one>",
        "cause": "host_skipped",
    }
    old = {**gap, "from_at": NOON - 600 * SECOND, "cause": "cursor_too_old"}
    lake.write(gaps=[gap, old, {**old, "repaired_at": NOON + 5 * SECOND}])
    page = admin.get("/admin/webapi/gap/").content.decode()
    assert "1 open, 90 seconds in all" in page
    assert page.count('<tr class="attention">') == 1
    for shown in ("2026-07-04 12:01:30", "ws://&lt;one&gt;", "cursor_too_old", "2026-07-04 12:00:05"):
        assert shown in page


def test_views_and_a_preview_of_each(published: Published, admin: Client) -> None:
    page = admin.get("/admin/webapi/publishedview/").content.decode()
    for shown in ("hours", "Posts by hour.", "250", "2026-07-04 12:00:00", "Odd values."):
        assert shown in page
    page = admin.get("/admin/webapi/publishedview/hours/").content.decode()
    assert "The first 50 of 250 rows" in page
    assert "2026-07-04T12:00:00Z" in page
    assert "Posts &lt;in&gt; it" in page
    assert page.count("<td>ja en</td>") == 50


def test_an_unknown_view_leads_back_to_the_list(published: Published, admin: Client) -> None:
    response = admin.get("/admin/webapi/publishedview/none/", follow=True)
    assert response.redirect_chain == [("/admin/webapi/publishedview/", 302)]
    assert "no such view" in response.content.decode()


def test_the_newest_hundred_batches(lake: Lake, admin: Client) -> None:
    for i in range(3):
        rows = [
            batch(NOON, at=NOON + (i * 40 + j) * SECOND, last_flush=i * 40 + j, events_in=1_000_000 + i * 40 + j)
            for j in range(40)
        ]
        lake.write(batches=rows)
    page = admin.get("/admin/webapi/batch/").content.decode()
    assert "The newest 100 batches" in page
    shown = [f"{1_000_000 + i:,}" in page for i in range(120)]
    assert shown == [False] * 20 + [True] * 100


def test_pages_without_any_data(lake: Lake, admin: Client) -> None:
    assert "No views have been published yet" in admin.get("/admin/webapi/publishedview/").content.decode()
    assert "No batch has been drained yet" in admin.get("/admin/webapi/batch/").content.decode()


def test_an_unreadable_lake_shows_in_its_page(lake: Lake, admin: Client) -> None:
    (lake.store.root / "batches" / "_delta_log" / f"{0:020d}.json").write_bytes(b"")
    response = admin.get("/admin/webapi/batch/")
    assert response.status_code == 503
    assert "power loss" in response.content.decode()
