"""The Django project: REST API, start page, health, metrics and the admin."""
