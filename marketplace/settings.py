"""Django settings, derived from marketplace/environment.py."""

import contextlib
import importlib.util
import logging
import secrets
import tempfile
from datetime import timedelta
from pathlib import Path

from marketplace.configuration.addresses import database_or_refuse
from marketplace.configuration.environment import ROOT, BadEnvironment, Environment, read_environment
from marketplace.monitoring.logs import logging_settings
from marketplace.servers import embedded
from marketplace.staff.theme import UNFOLD as UNFOLD

ENVIRONMENT: Environment = read_environment()
BASE_DIR = ROOT
VAR = ENVIRONMENT.var


def _kept_secret(file: Path) -> str:
    """A secret generated once and kept in a file. Raises BadEnvironment when it cannot be written."""
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(file, secrets.token_urlsafe(50))
        return file.read_text()
    except OSError as error:
        raise BadEnvironment(
            f'VAR: found "{file.parent}" ({error.strerror}); accepted: a folder that can be written.'
        ) from None


def _write_whole(file: Path, text: str) -> None:
    """Write a file atomically, unless it exists: of two processes that start at once, the first one wins."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent) as temporary:  # with mode 600
        temporary.write(text)
        temporary.flush()
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(temporary.name)


def _secret_key(environment: Environment) -> str:
    """The configured key; with the embedded PostgreSQL, a generated one. Raises BadEnvironment."""
    key, file = environment.secret_key, environment.var / "secret_key"
    if environment.is_embedded:
        return key or _kept_secret(file)
    if reason := _weakness_of(key, file):
        raise BadEnvironment(
            f"SECRET_KEY: found {reason}; accepted: 50 random characters, where DATABASE_URL is set."
        )
    return str(key)


def _weakness_of(key: str | None, generated: Path) -> str:
    """The reason why a key is unsafe in production; empty when it is safe."""
    if not key:
        return "nothing"
    if key.startswith("django-insecure-") or len(set(key)) < 5:
        return "an example"
    with contextlib.suppress(OSError):
        return "the one that the demo made for itself" if key == generated.read_text() else ""
    return ""


SECRET_KEY = _secret_key(ENVIRONMENT)
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts
CSRF_TRUSTED_ORIGINS = ENVIRONMENT.csrf_trusted_origins

# Where it is missing, the admin is Django's own.
HAS_UNFOLD = importlib.util.find_spec("unfold") is not None

INSTALLED_APPS = [
    *(["unfold.apps.BasicAppConfig"] if HAS_UNFOLD else []),  # before the admin, whose templates it replaces
    "marketplace.staff.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "listings",
    "recommendations",
    "marketplace",
    "marketplace.storefront",
]

MIDDLEWARE = [
    "marketplace.monitoring.logs.RequestIdMiddleware",
    "marketplace.web.addresses.WholeAddressMiddleware",
    "marketplace.monitoring.metrics.MeasuringMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "marketplace.web.security_headers.ContentSecurityPolicyMiddleware",
    "marketplace.web.body_limits.BodyLimitMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",  # not for REST views
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "marketplace.web.authentication.VisitorCookieMiddleware",
]

ROOT_URLCONF = "marketplace.urls"
WSGI_APPLICATION = "marketplace.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# PostgreSQL and Redis: the configured ones, else the embedded ones, whose addresses depend on VAR.
DATABASES = {
    "default": database_or_refuse(ENVIRONMENT.database_url or embedded.database_url(VAR))
    | {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
}
# Timeouts for an unreachable server, in seconds and the last in milliseconds; ignored for sockets.
# https://www.postgresql.org/docs/current/libpq-connect.html
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
} | DATABASES["default"]["OPTIONS"]
REDIS_URL = ENVIRONMENT.redis_url or embedded.redis_url(VAR)

LANGUAGE_CODE = "en-gb"
TIME_ZONE = ENVIRONMENT.time_zone
USE_TZ = True

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # serves files from the packages, without collectstatic
MEDIA_URL = "/media/"
MEDIA_ROOT = VAR / "media"

# The proxy in front has to overwrite X-Forwarded-Proto. Health checks arrive without it.
SECURE_SSL_REDIRECT = ENVIRONMENT.is_https_only
SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz|metrics|healthcheck)/?$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.is_https_only else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if ENVIRONMENT.is_https_only else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENVIRONMENT.is_https_only
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENVIRONMENT.is_https_only
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

DATA_UPLOAD_MAX_MEMORY_SIZE = 12_000_000  # without files; body_limits.py checks before the body is read

# Derived data under VAR. One command rebuilds each folder after it is deleted.
INDEX_ROOT = VAR / "index"
MODEL_ROOT = VAR / "models"
METRICS_ROOT = VAR / "metrics"

# Messages that no worker took in this time are dropped: beat sends the same ones again. Defined here, since
# Celery's app is imported before Django's apps are ready.
WAKEUP_EXPIRES_S = 30

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "UserAttributeSimilarityValidator")
]
LOGIN_URL = "/admin/login/"
VISITOR_COOKIE = "visitor"
VISITOR_COOKIE_AGE_S = 180 * 24 * 3600

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["marketplace.web.authentication.CallerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["marketplace.web.authentication.Nobody"],
    "DEFAULT_THROTTLE_CLASSES": ["marketplace.web.rate_limits.RateLimit"],
    "DEFAULT_RENDERER_CLASSES": ["marketplace.web.renderers.TolerantJSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "marketplace.web.renderers.BrowserNegotiation",
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "marketplace.web.schema.SummarisedSchema",
    "EXCEPTION_HANDLER": "marketplace.web.errors.problem",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "COERCE_DECIMAL_TO_STRING": True,
}
KNOX_TOKEN_MODEL = "marketplace.PersonToken"
REST_KNOX = {"TOKEN_TTL": timedelta(days=90), "AUTO_REFRESH": False, "TOKEN_MODEL": KNOX_TOKEN_MODEL}

SPECTACULAR_SETTINGS = {
    "TITLE": "Marketplace recommendations",
    "DESCRIPTION": "A feed, similar listings and a catalogue, for marketplaces where each listing is unique.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "marketplace.web.schema.add_problems",
        "marketplace.web.schema.refuse_what_is_no_price",
    ],
}

LOGGING = logging_settings(ENVIRONMENT.chosen_log_format, ENVIRONMENT.log_level)
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # logs.py has validated it
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_USER_ID_FIELD = None  # logs hold no personal data, so nothing has to be erased
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO
DJANGO_STRUCTLOG_STATUS_5XX_LOG_LEVEL = logging.INFO  # django.request logs it as an error
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = logging.DEBUG  # beat sends tasks every second or two
