"""Addresses of PostgreSQL and Redis, as every program that connects to them understands them.

libpq, redis-py and Kombu read the same address each in its own way. What one of them would refuse, or read
otherwise, is translated here or refused at start, alike for web processes and workers.
"""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

DATABASE_SCHEMES = ("postgres", "postgresql", "pgsql")
REDIS_SCHEMES = ("redis", "rediss", "unix")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
CERTIFICATES = ("none", "optional", "required")
CERTIFICATE_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
MOST_DATABASES = 10_000  # of a Redis; it has 16 unless configured otherwise

# Django's names for these parts of an address.
_DJANGO = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def database_or_refuse(url: str) -> dict[str, Any]:
    """Django's settings of the database at this address. Raises ValueError.

    libpq reads the address, so several hosts and every option of libpq are passed on.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in DATABASE_SCHEMES or not rest:
        raise ValueError("an address such as postgresql://user:password@host:5432/name")
    try:
        parts = dict(conninfo_to_dict(f"postgresql://{rest}"))
    except psycopg.Error:
        raise ValueError("an address such as postgresql://user:password@host:5432/name") from None
    _refuse_bad_parts(parts)
    settings = {name: str(parts.pop(part, "") or "") for part, name in _DJANGO.items()}
    return {"ENGINE": "django.db.backends.postgresql", **settings, "OPTIONS": parts}


def _refuse_bad_parts(parts: dict[str, Any]) -> None:
    if not parts.get("dbname"):
        raise ValueError("an address with the name of a database, such as postgresql://host:5432/name")
    hosts, ports = (str(parts.get(name, "") or "").split(",") for name in ("host", "port"))
    if not all(port == "" or (port.isdecimal() and 0 < int(port) < 65536) for port in ports):
        raise ValueError("an address whose ports are numbers from 1 to 65535")
    if len(ports) not in (1, len(hosts)):
        raise ValueError("an address with one port for all hosts, or one for each")
    if parts.get("sslmode", SSL_MODES[0]) not in SSL_MODES:
        raise ValueError(f"an address whose sslmode is one of {', '.join(SSL_MODES)}")


def redis_or_refuse(url: str) -> str:
    """The address in the form that redis-py and Kombu read alike. Raises ValueError.

    The number of the database stands in the path, or as `db` of a socket.
    """
    try:
        parts = urlsplit(url)
        is_known = parts.scheme in REDIS_SCHEMES and parts.port != 0
    except ValueError:  # a port that is no number
        is_known = False
    if not is_known or "," in parts.netloc:
        raise ValueError("an address that begins with redis://, rediss:// or unix://")
    options = dict(parse_qsl(parts.query))
    is_socket = parts.scheme == "unix"
    path = "" if is_socket else parts.path.strip("/")
    database = _database_number(options.pop("db", path))
    options = _ssl_options(options, is_encrypted=parts.scheme == "rediss")
    if is_socket:
        options |= {"db": database} if database else {}
        path = parts.path
    else:
        path = f"/{database}" if database else ""
    query = f"?{urlencode(options, safe='/')}" if options else ""
    return f"{parts.scheme}://{parts.netloc}{path}{query}"


def _database_number(text: str) -> str:
    if text and not (text.isdecimal() and text.isascii() and int(text) < MOST_DATABASES):
        raise ValueError("an address whose database is a number, such as redis://host:6379/0")
    return text


def _ssl_options(options: dict[str, str], *, is_encrypted: bool) -> dict[str, str]:
    """The options in small letters, as both libraries know them: none for CERT_NONE."""
    known = ("ssl_cert_reqs", *CERTIFICATE_FILES) if is_encrypted else ()
    if unknown := sorted(set(options) - set(known)):
        accepted = ", ".join(("db", *known))
        raise ValueError(f"an address with no other options than {accepted}; it has {', '.join(unknown)}")
    if "ssl_cert_reqs" in options:
        wanted = options["ssl_cert_reqs"].lower().removeprefix("cert_")
        if wanted not in CERTIFICATES:
            raise ValueError(f"an address whose ssl_cert_reqs is one of {', '.join(CERTIFICATES)}")
        options["ssl_cert_reqs"] = wanted
    return options
