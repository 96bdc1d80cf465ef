"""The Django application of the project."""

from django.apps import AppConfig


class WebapiConfig(AppConfig):
    """REST API, start page and admin pages."""

    name = "webapi"
    verbose_name = "Lake"
