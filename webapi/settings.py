"""Django's settings, all from Bluelake's own (bluelake/core/settings/)."""

from typing import Any

import dj_database_url

from bluelake.core.secrets import secret
from bluelake.core.settings import load_settings

BLUELAKE = load_settings()

SECRET_KEY = secret(BLUELAKE, "django-secret-key", 50)
DEBUG = False
ALLOWED_HOSTS = list(BLUELAKE.web_allowed_hosts)
ROOT_URLCONF = "webapi.urls"
WSGI_APPLICATION = "webapi.wsgi.application"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

INSTALLED_APPS = [
    "webapi.apps.WebapiConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
]
MIDDLEWARE = [
    "webapi.middleware.MetricsMiddleware",
    "webapi.middleware.SecurityPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Users and sessions only: everything else is in the lake.
_SQLITE: dict[str, Any] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": str(BLUELAKE.home / "web.sqlite3"),
    "OPTIONS": {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    },
}
DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(BLUELAKE.database_url, conn_max_age=60) if BLUELAKE.database_url else _SQLITE
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = []
LOGIN_URL = "/admin/login/"

STATIC_URL = "/static/"
# Static files are served from the installed packages, so that nothing has to be collected first.
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

# Other pages may read the API; nobody's pages may use the admin.
CORS_URLS_REGEX = r"^/(search|export|views|healthz)(/.*)?$"
CORS_ALLOW_METHODS = ("GET", "HEAD", "OPTIONS")
CORS_EXPOSE_HEADERS = ("X-Bluelake-Capped", "Content-Disposition")
CORS_ALLOW_ALL_ORIGINS = "*" in BLUELAKE.cors_allowed_origins
CORS_ALLOWED_ORIGINS = [origin for origin in BLUELAKE.cors_allowed_origins if origin != "*"]

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "webapi.errors.OneFormat",
    "EXCEPTION_HANDLER": "webapi.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

# The process that runs Django has set up its log already.
LOGGING_CONFIG = None
