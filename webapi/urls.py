"""Every path, each with and without its trailing slash."""

from django.contrib import admin
from django.urls import path, re_path

from webapi.health import HealthView
from webapi.home import home
from webapi.metrics import metrics_view
from webapi.search_api import ExportView, SearchView
from webapi.views_api import ViewListView, ViewRowsView

urlpatterns = [
    path("", home, name="home"),
    re_path(r"^search/?$", SearchView.as_view(), name="search"),
    re_path(r"^export/?$", ExportView.as_view(), name="export"),
    re_path(r"^views/?$", ViewListView.as_view(), name="views"),
    re_path(r"^views/(?P<name>[^/]+)/?$", ViewRowsView.as_view(), name="view"),
    re_path(r"^healthz/?$", HealthView.as_view(), name="healthz"),
    re_path(r"^metrics/?$", metrics_view, name="metrics"),
    path("admin/", admin.site.urls),
]

handler400 = "webapi.errors.bad_request"
handler403 = "webapi.errors.forbidden"
handler404 = "webapi.errors.not_found"
handler500 = "webapi.errors.server_error"
