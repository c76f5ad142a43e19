"""Every setting, read from the environment (`MINTMARK_*`); docs/settings.md says what each one does."""

import contextlib
import ipaddress
import os
import secrets
from pathlib import Path

import environ
from django.utils.csp import CSP

from mintmark.common import amounts

PACKAGE = Path(__file__).resolve().parent.parent

env = environ.FileAwareEnv()


def _prepare_home() -> Path:
    """The folder in which an installation stores its state; created on first use, readable by its owner only."""
    home = Path(env.str("MINTMARK_HOME", default=str(Path.home() / ".mintmark"))).expanduser()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


HOME = _prepare_home()


def _load_secret_key() -> str:
    """The secret key from the environment, or else one that is generated once and stored in the home folder."""
    configured_key: str = env.str("MINTMARK_SECRET_KEY", default="")
    if configured_key:
        return configured_key
    key_file = HOME / "secret_key"
    if not key_file.exists():
        temporary_file = HOME / f"secret_key.{os.getpid()}"
        temporary_file.touch(mode=0o600)
        temporary_file.write_text(secrets.token_urlsafe(48))
        # Another process may do the same: the first to link wins, and nobody reads half a key.
        with contextlib.suppress(FileExistsError):
            os.link(temporary_file, key_file)
        temporary_file.unlink()
    return key_file.read_text()


SECRET_KEY = _load_secret_key()
DEBUG: bool = env.bool("MINTMARK_DEBUG", default=False)
ALLOWED_HOSTS: list[str] = env.list(
    "MINTMARK_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"]
)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("MINTMARK_TRUSTED_ORIGINS", default=[])
# Cookies are restricted to https only when the installation says that it is served over https.
HTTPS: bool = env.bool("MINTMARK_HTTPS", default=False)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "ninja",
    "mintmark.accounts",
    "mintmark.webhooks",
    "mintmark.registry",
    "mintmark.tokens",
    "mintmark.evidence",
    "mintmark.projection",
    "mintmark.reputation",
    "mintmark.trust",
    "mintmark.rituals",
    "mintmark.claim_audits",
    "mintmark.vault",
    "mintmark.deployments",
    "mintmark.market",
    "mintmark.otlp",
    "mintmark.api",
    "mintmark.web",
]

MIDDLEWARE = [
    "mintmark.observability.middleware.log_requests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "mintmark.web.middleware.limit_body_size",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "mintmark.config.urls"
WSGI_APPLICATION = "mintmark.config.wsgi.application"

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
    }
]

DATABASES = {
    "default": env.db_url("MINTMARK_DATABASE_URL", default=f"sqlite:///{HOME / 'mintmark.sqlite3'}")
}
_database = DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    # Opening and configuring a file costs more than most requests, so a thread keeps its connection.
    _database["CONN_MAX_AGE"] = None
    # A writer takes its lock at BEGIN: a reader that became a writer mid-way would fail.
    _database["OPTIONS"] = _database.get("OPTIONS", {}) | {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
            "PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;"
        ),
    }
else:
    _database["OPTIONS"] = _database.get("OPTIONS", {}) | {
        "pool": {"min_size": 1, "max_size": 8, "timeout": 20}
    }

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "start"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG

SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DATA_UPLOAD_MAX_MEMORY_SIZE: int = env.int("MINTMARK_MAX_REQUEST_BYTES", default=32 * 2**20)

# Who projects the log on PostgreSQL: "worker" (`mintmark serve` starts one) or "inline" (the request that appended). On
# SQLite the appending transaction always does it.
PROJECTION: str = env.str("MINTMARK_PROJECTION", default="worker")
if PROJECTION not in ("worker", "inline"):
    raise environ.ImproperlyConfigured(
        f"MINTMARK_PROJECTION is {PROJECTION!r}; it must be 'worker' or 'inline'."
    )


def _parse_grant_micro(tokens: str) -> int:
    """The opening grant in micro-tokens; "0" for none."""
    try:
        return 0 if tokens.strip() == "0" else amounts.to_micro(tokens)
    except amounts.InvalidAmount as wrong:
        raise environ.ImproperlyConfigured(f"MINTMARK_OPENING_GRANT: {wrong}") from wrong


# The credits in a person's new wallet, and the market's fee on each sale (in hundredths of a percent).
OPENING_GRANT_MICRO = _parse_grant_micro(env.str("MINTMARK_OPENING_GRANT", default="100"))
MARKET_FEE_BP: int = env.int("MINTMARK_MARKET_FEE_BP", default=500)
if not 0 <= MARKET_FEE_BP <= 5_000:
    raise environ.ImproperlyConfigured(
        f"MINTMARK_MARKET_FEE_BP is {MARKET_FEE_BP}; it must be 0 to 5000 (hundredths of a percent)."
    )

# The name of this installation in bundles; what its private keys are encrypted under (the secret key if empty); how
# many trusted keys must sign an incoming bundle; its largest size; and the number of runs as which an imported
# reputation counts.
INSTALLATION_NAME: str = env.str("MINTMARK_INSTALLATION_NAME", default="Mintmark")
VAULT_KEY: str = env.str("MINTMARK_VAULT_KEY", default="")
VAULT_THRESHOLD: int = env.int("MINTMARK_VAULT_THRESHOLD", default=1)
VAULT_MAX_BYTES: int = env.int("MINTMARK_VAULT_MAX_BYTES", default=16 * 2**20)
IMPORTED_REPUTATION_RUNS: int = env.int("MINTMARK_IMPORTED_REPUTATION_RUNS", default=10)
if not (INSTALLATION_NAME.isprintable() and 1 <= len(INSTALLATION_NAME.strip()) <= 200):
    raise environ.ImproperlyConfigured(
        "MINTMARK_INSTALLATION_NAME must be 1 to 200 printable characters."
    )
if not 1 <= VAULT_THRESHOLD <= 32:
    raise environ.ImproperlyConfigured(
        f"MINTMARK_VAULT_THRESHOLD is {VAULT_THRESHOLD}; it must be 1 to 32."
    )
if not 0 <= IMPORTED_REPUTATION_RUNS <= 1_000:
    raise environ.ImproperlyConfigured(
        f"MINTMARK_IMPORTED_REPUTATION_RUNS is {IMPORTED_REPUTATION_RUNS}; it must be 0 to 1000."
    )

# How prompts are compared with memories: a folder with a model of static vectors, "none" for spelling alone, or empty
# for the vectors of the extra `embeddings` if it is installed.
EMBEDDINGS: str = env.str("MINTMARK_EMBEDDINGS", default="")

# Runs of rituals: hosts of endpoints ("*" for any), how many runs a worker executes at once, how long the lease of a
# silent worker lasts, the largest reply, how long outputs and deliveries of webhooks are stored, and whether this is a
# demo, in which results of the rehearsal runner count as evidence.
RUNNER_HOSTS: list[str] = env.list("MINTMARK_RUNNER_HOSTS", default=["*"])
RUNS_AT_ONCE: int = env.int("MINTMARK_RUNS_AT_ONCE", default=2)
RUN_LEASE_SECONDS: float = env.float("MINTMARK_RUN_LEASE_SECONDS", default=30.0)
REPLY_MAX_BYTES: int = env.int("MINTMARK_REPLY_MAX_BYTES", default=2**20)
OUTPUT_DAYS: int = env.int("MINTMARK_OUTPUT_DAYS", default=30)
DELIVERY_DAYS: int = env.int("MINTMARK_DELIVERY_DAYS", default=30)
IS_DEMO: bool = env.bool("MINTMARK_DEMO", default=False)
if not 0 <= RUNS_AT_ONCE <= 4:
    raise environ.ImproperlyConfigured(
        f"MINTMARK_RUNS_AT_ONCE is {RUNS_AT_ONCE}; it must be 0 to 4."
    )
if not 1.0 <= RUN_LEASE_SECONDS <= 3_600.0:
    raise environ.ImproperlyConfigured(
        f"MINTMARK_RUN_LEASE_SECONDS is {RUN_LEASE_SECONDS}; it must be 1 to 3600."
    )
if not 1_024 <= REPLY_MAX_BYTES <= 64 * 2**20:
    raise environ.ImproperlyConfigured(
        f"MINTMARK_REPLY_MAX_BYTES is {REPLY_MAX_BYTES}; it must be 1024 to 67108864."
    )
if not 0 <= OUTPUT_DAYS <= 3_650:
    raise environ.ImproperlyConfigured(
        f"MINTMARK_OUTPUT_DAYS is {OUTPUT_DAYS}; it must be 0 to 3650 (0: outputs are not kept)."
    )
if not 1 <= DELIVERY_DAYS <= 3_650:
    raise environ.ImproperlyConfigured(
        f"MINTMARK_DELIVERY_DAYS is {DELIVERY_DAYS}; it must be 1 to 3650."
    )


def _read_per_minute(name: str, *, default: int) -> int:
    """A rate limit in requests a minute; 0 for none."""
    limit: int = env.int(name, default=default)
    if not 0 <= limit <= 1_000_000:
        raise environ.ImproperlyConfigured(f"{name} is {limit}; it must be 0 to 1000000.")
    return limit


# Requests a minute that are allowed to a key or session over the API, to an address without valid credentials, and to
# an assistant over MCP; and the proxies whose X-Forwarded-For is trusted.
API_PER_MINUTE = _read_per_minute("MINTMARK_API_PER_MINUTE", default=1_200)
API_ANONYMOUS_PER_MINUTE = _read_per_minute("MINTMARK_API_ANONYMOUS_PER_MINUTE", default=120)
MCP_PER_MINUTE = _read_per_minute("MINTMARK_MCP_PER_MINUTE", default=600)


def _read_networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Addresses and networks, such as 10.0.0.0/8."""
    try:
        return [ipaddress.ip_network(text.strip()) for text in env.list(name, default=[])]
    except ValueError as wrong:
        raise environ.ImproperlyConfigured(f"{name}: {wrong}.") from wrong


TRUSTED_PROXIES = _read_networks("MINTMARK_TRUSTED_PROXIES")

# Hosts of webhooks that may be private or use plain http, with or without a port.
WEBHOOK_HOSTS: list[str] = env.list("MINTMARK_WEBHOOK_HOSTS", default=[])

# Observability: who may read /metrics beside auditors, whether requests become spans, the format of log lines.
METRICS_TOKEN: str = env.str("MINTMARK_METRICS_TOKEN", default="")
TRACES: bool = env.bool("MINTMARK_TRACES", default=False)
LOG_FORMAT: str = env.str("MINTMARK_LOG_FORMAT", default="plain")
if LOG_FORMAT not in ("plain", "json"):
    raise environ.ImproperlyConfigured(
        f"MINTMARK_LOG_FORMAT is {LOG_FORMAT!r}; it must be 'plain' or 'json'."
    )

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"format": "%(message)s"},
        "json": {"()": "mintmark.observability.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": env.str("MINTMARK_LOG_LEVEL", default="WARNING")},
}
