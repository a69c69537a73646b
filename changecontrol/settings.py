"""All settings, read from the environment. A name with _FILE behind it reads the value from that file (secrets)."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    """Return the variable `name`, or the content of the file named by `name`_FILE, or `default`."""
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def env_bool(name: str) -> bool:
    """Return whether the variable `name` says yes (1, true, yes, on)."""
    return env(name).lower() in {"1", "true", "yes", "on"}


def database(url: str) -> dict[str, object]:
    """Return Django's entry for a postgresql:// URL; query parameters become libpq options (sslmode, ...)."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured("DATABASE_URL must look like postgresql://user:password@host:port/database.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"connect_timeout": 5, **dict(parse_qsl(parts.query))},
        "TEST": {"MIRROR": None},
    }


DEMO = env_bool("CHANGECONTROL_DEMO")
DEBUG = env_bool("DEBUG")
# A build step without a database still has to import the settings; the system check E001 refuses it elsewhere.
SECRET_KEY = env("SECRET_KEY", "no-secret-key-given")
ALLOWED_HOSTS = [host for host in env("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",") if host]
CSRF_FAILURE_VIEW = "changecontrol.web.refusals.forged"
CSRF_TRUSTED_ORIGINS = [origin for origin in env("CSRF_TRUSTED_ORIGINS").split(",") if origin]

ROOT_URLCONF = "changecontrol.web.urls"
WSGI_APPLICATION = "changecontrol.wsgi.application"
AUTH_USER_MODEL = "changecontrol.Person"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "inbox"
LOGOUT_REDIRECT_URL = "sign-in"

INSTALLED_APPS = [
    "changecontrol.apps.ChangeControlConfig",
    "simple_history",
    "django_htmx",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "changecontrol.web.headers.SecurityHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "changecontrol.web.refusals.RefusalMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "builtins": ["changecontrol.templatetags.cc"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "changecontrol.web.context.shell",
            ],
        },
    }
]

# Web and workers run as the app role; only `migrate` runs as the owner (design 5).
DATABASES = {"default": database(env("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none"))}
if env("DATABASE_OWNER_URL"):
    DATABASES["owner"] = database(env("DATABASE_OWNER_URL"))
APP_ROLE = env("CHANGECONTROL_APP_ROLE")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]

SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env_bool("HTTPS")
# One machine may show two demonstrations on two ports; cookies do not know ports.
SESSION_COOKIE_NAME = env("SESSION_COOKIE_NAME", "changecontrol_session")
CSRF_COOKIE_NAME = env("CSRF_COOKIE_NAME", "changecontrol_csrf")
SECURE_SSL_REDIRECT = env_bool("HTTPS")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env_bool("HTTPS") else None
SECURE_HSTS_SECONDS = 31_536_000 if env_bool("HTTPS") else 0
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = env("CHANGECONTROL_TIME_ZONE", "UTC")
DATETIME_FORMAT = "j M Y, H:i"

STATIC_URL = "static/"
STATIC_ROOT = Path(env("STATIC_ROOT")) if env("STATIC_ROOT") else None
STATICFILES_DIRS: list[Path] = []
# Served straight from the packages, compressed and cached by content; no collectstatic step has to be remembered.
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

# The product's own settings -------------------------------------------------------------------------------------
REPOSITORY = Path(env("CHANGECONTROL_REPOSITORY", str(BASE_DIR / "migrations_repo")))
QUEUES = [name for name in env("CHANGECONTROL_QUEUES", "development,staging,production").split(",") if name]
WATCH_SECONDS = int(env("CHANGECONTROL_WATCH_SECONDS", str(48 * 3600)))
EVIDENCE_MAX_BYTES = 20 * 1024 * 1024
#: seconds without a heartbeat after which a running execution is called lost
LEASE_SECONDS = int(env("CHANGECONTROL_LEASE_SECONDS", "30"))
SWEEP_SECONDS = float(env("CHANGECONTROL_SWEEP_SECONDS", "5"))
#: seconds after which a run that has not ended stops trying and leaves what is done
RUN_DEADLINE_SECONDS = float(env("CHANGECONTROL_RUN_DEADLINE_SECONDS", "3600"))
#: folder of this worker in which backups are kept by digest
BACKUPS = Path(env("CHANGECONTROL_BACKUPS", str(BASE_DIR / "var" / "backups")))
#: days after which a staging acceptance no longer counts (design 3, gates)
ACCEPTANCE_DAYS = int(env("CHANGECONTROL_ACCEPTANCE_DAYS", "7"))
#: days after which a rehearsal no longer counts for production (design 4, Rehearsal)
REHEARSAL_DAYS = int(env("CHANGECONTROL_REHEARSAL_DAYS", "30"))
#: what stops a runaway rehearsal: seconds, and bytes of its database
REHEARSAL_SECONDS = float(env("CHANGECONTROL_REHEARSAL_SECONDS", "1800"))
REHEARSAL_BYTES = int(env("CHANGECONTROL_REHEARSAL_BYTES", str(20 * 1024**3)))
#: server on which sandboxes are made: one reference per environment's worker, env:NAME | file:... | service:...
SANDBOX_REFERENCE = env("CHANGECONTROL_SANDBOX")

CELERY_BROKER_URL = env("REDIS_URL", "redis://127.0.0.1:1/0")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"django.server": {"level": "WARNING"}, "django.request": {"level": "ERROR"}},
}
