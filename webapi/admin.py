"""The admin's pages on the lake: the views with a preview of each, the newest batches, the gaps. All read-only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from bluelake.core.errors import BluelakeError
from bluelake.lake.views import current, read
from webapi.formats import csv_value
from webapi.lake_access import lake_access
from webapi.models import Batch, Gap, PublishedView

PREVIEW_ROWS = 50
NEWEST_BATCHES = 100
NEWEST_GAPS = 500

admin.site.site_header = "Bluelake"
admin.site.site_title = "Bluelake"
admin.site.index_title = "Administration"


class LakePage(admin.ModelAdmin):  # type: ignore[type-arg]
    """A read-only page of the admin without a table in Django's database."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the index shows it: to all staff."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """All staff may look."""
        return self.admin_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes here."""
        return False

    def page(self, request: HttpRequest, template: str, title: str, context: dict[str, Any]) -> HttpResponse:
        """`template` in the admin's own frame; 503 where `context` holds an error."""
        frame = {**self.admin_site.each_context(request), "title": title, "opts": self.model._meta}
        status = 503 if context.get("error") else 200
        return TemplateResponse(request, f"admin/webapi/{template}", {**frame, **context}, status=status)


@admin.register(PublishedView)
class PublishedViewAdmin(LakePage):
    """The published views, and the first rows of each."""

    def get_urls(self) -> list[URLPattern]:
        """The list and a preview."""
        names = "webapi_publishedview"
        return [
            path("", self.admin_site.admin_view(self.changelist_view), name=f"{names}_changelist"),
            path("<str:name>/", self.admin_site.admin_view(self.preview), name=f"{names}_change"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Description, rows and last refresh of each view."""
        try:
            context: dict[str, Any] = {"published": current(lake_access().settings)}
        except BluelakeError as error:
            context = {"error": str(error)}
        return self.page(request, "views.html", "Views", context)

    def preview(self, request: HttpRequest, name: str) -> HttpResponse:
        """The first rows of the view `name`; an unknown one leads back to the list."""
        try:
            page = read(lake_access().settings, name, PREVIEW_ROWS)
        except BluelakeError as error:
            self.message_user(request, str(error), "error")
            return HttpResponseRedirect(reverse("admin:webapi_publishedview_changelist"))
        rows = [[_cell(value) for value in row] for row in page.rows]
        return self.page(
            request, "preview.html", name, {"preview": page, "rows": rows, "numeric": _numeric(page.columns)}
        )


@admin.register(Batch)
class BatchAdmin(LakePage):
    """The newest batches."""

    def get_urls(self) -> list[URLPattern]:
        """The list only."""
        return [path("", self.admin_site.admin_view(self.changelist_view), name="webapi_batch_changelist")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The batches of the last drains."""
        try:
            context: dict[str, Any] = {"batches": lake_access().collector.batches(NEWEST_BATCHES)}
        except BluelakeError as error:
            context = {"error": str(error)}
        return self.page(request, "batches.html", "Batches", context)


@admin.register(Gap)
class GapAdmin(LakePage):
    """The gaps, the open ones first."""

    def get_urls(self) -> list[URLPattern]:
        """The list only."""
        return [path("", self.admin_site.admin_view(self.changelist_view), name="webapi_gap_changelist")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The spans that no host served, and whether they are repaired."""
        try:
            facts = lake_access().collector.gaps()
        except BluelakeError as error:
            return self.page(request, "gaps.html", "Gaps", {"error": str(error)})
        context: dict[str, Any] = {
            "gaps": facts.gaps[:NEWEST_GAPS],
            "more": max(len(facts.gaps) - NEWEST_GAPS, 0),
            "open": len(facts.open),
            "seconds": round(facts.missing_seconds),
        }
        return self.page(request, "gaps.html", "Gaps", context)


def _cell(value: object) -> object:
    shown = csv_value(value)
    return f"{shown[:-8]}Z" if isinstance(shown, str) and shown.endswith(".000000Z") else shown


def _numeric(columns: Any) -> list[bool]:
    """Which columns are numbers, and stand to the right."""
    kinds = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "HUGEINT")
    return [any(kind in column.type for kind in kinds) and "[" not in column.type for column in columns]
