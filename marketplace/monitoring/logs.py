"""Logging as text lines or JSON, with the id of the request in every record.

Celery messages carry the request id, so that a task's records have it too. Credentials, bodies, query
strings, IP addresses and names of persons are not logged.
"""

import logging
import re
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, cast
from uuid import uuid4

import structlog
from celery.signals import before_task_publish, task_prerun
from django.http import HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path
from django_structlog.celery.receivers import CeleryReceiver
from django_structlog.middlewares import RequestMiddleware
from structlog.contextvars import merge_contextvars

SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HEADER = "X-Request-ID"
HIDDEN = "[hidden]"
# Names of attributes that are set on requests and responses.
BEGAN_AT = "began_at"
LOGGED = "_has_been_logged"  # Django's mark on a response whose error was logged

# Credentials as headers, settings and addresses spell them.
_SECRETS = (
    (re.compile(r"(?i)\b(token|api-key|bearer|basic)(\s+)[\w.~+/=-]{20,}"), rf"\1\2{HIDDEN}"),
    (
        re.compile(
            r"(?i)\b(password|passwd|secret|authorization|cookie|sessionid)(['\"]?\s*[=:]\s*)[^\s,;&]+"
        ),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"(\w://[^\s:/@]*:)[^\s@]+@"), rf"\1{HIDDEN}@"),
)

# Below its message, PostgreSQL quotes rows and parameters on further lines. All of them are removed, up to
# the next part of Python's traceback. In a repr they are one line.
_QUOTES = r"(?:DETAIL|CONTEXT|QUERY|LINE \d+):"
_ROWS = (
    re.compile(
        rf"(?s)\n[ |]*{_QUOTES}.*?(?=\n\n[ |]*(?:The above exception was|During handling of the above)|\Z)"
    ),
    re.compile(rf"\\n{_QUOTES}[^\n]*"),
)
# Characters that would start a new line or control a terminal.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}

Event = MutableMapping[str, Any]
failures = logging.getLogger("django.request")


def without_secrets(text: str) -> str:
    """The text without credentials and database rows, which an error message of a library may quote."""
    for pattern in _ROWS:
        text = pattern.sub("", text)
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def hide_secrets(logger: object, method: str, event: Event) -> Event:
    """structlog processor: remove credentials and database rows from every field."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = without_secrets(value)
    return event


def as_line(logger: object, method: str, event: Event) -> str:
    """`2026-11-21 15:04:05 INFO name: what happened key=value`, followed by the traceback, if any.

    The supervisor of `make run` reads the level at the start of a line. Line breaks within the text are
    escaped.
    """
    fields = dict(event)
    stamp, level, name = (fields.pop(key, "") for key in ("timestamp", "level", "logger"))
    message, traceback = fields.pop("event", ""), fields.pop("exception", None)
    pairs = "".join(f" {key}={value}" for key, value in sorted(fields.items()))
    line = f"{stamp} {level.upper()} {name}: {message}{pairs}".translate(_CONTROL)
    return f"{line}\n{_indented(traceback)}" if traceback else line


def _indented(trace: str) -> str:
    """A traceback in which no line can be mistaken for the start of a record."""
    lines = (line.translate(_CONTROL) for line in trace.split("\n"))
    return "\n".join(f"  {line}" if line[:1].isdigit() else line for line in lines)


def logging_settings(log_format: str, level: str) -> dict[str, Any]:
    """Django's LOGGING. log_format: `text` or `json`; level: a level of Python's logging."""
    structlog.configure(
        processors=[*_common(log_format), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "log_format": log_format}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {
            "faiss.loader": {"level": "WARNING"},  # logs the processor features that it looks for
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "django.request": {"level": "ERROR"},  # a client error is reported to the client only
        }
        # gunicorn's own handler does not write JSON.
        | ({"gunicorn.error": {"handlers": ["console"], "propagate": False}} if log_format == "json" else {}),
        "root": {"handlers": ["console"], "level": level},
    }


def formatter(log_format: str) -> structlog.stdlib.ProcessorFormatter:
    """The formatter for records of structlog and of every other library."""
    render = structlog.processors.JSONRenderer(ensure_ascii=False) if log_format == "json" else as_line
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_common(log_format),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            hide_secrets,
            render,
        ],
    )


def _common(log_format: str) -> list[Any]:
    for_machines = log_format == "json"
    stamp = structlog.processors.TimeStamper(
        fmt="iso" if for_machines else "%Y-%m-%d %H:%M:%S", utc=for_machines
    )
    return [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        stamp,
    ]


class RequestIdMiddleware(RequestMiddleware):
    """Gives every request an id: a valid X-Request-ID of the caller, else a new one."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = valid_request_id(request.META) or uuid4().hex
        request.META["HTTP_X_REQUEST_ID"] = request_id  # where django-structlog reads it
        setattr(request, BEGAN_AT, time.perf_counter())
        response = cast(HttpResponse, super().__call__(request))
        response[HEADER] = request_id
        return response

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        """Log a failure while the id is bound: Django would log it later, without the id."""
        if response.status_code >= 500 and not getattr(response, LOGGED, False):
            failures.error("%s: %s", response.reason_phrase, escape_uri_path(request.path))
            setattr(response, LOGGED, True)
        super().handle_response(request, response)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Method and path, without the query, which holds search words and coordinates."""
        return f"{request.method} {escape_uri_path(request.path)}"

    def process_got_request_exception(self, sender: object, request: HttpRequest, **_: object) -> None:
        """Do nothing: Django's own logger records the exception, with the same id."""


def valid_request_id(meta: Mapping[str, str]) -> str | None:
    """The request's X-Request-ID, if it is safe in logs and headers, else None."""
    request_id = meta.get("HTTP_X_REQUEST_ID", "")
    return request_id if SANE_ID.fullmatch(request_id) else None


def note_duration(sender: object, request: HttpRequest, log_kwargs: dict[str, Any], **_: object) -> None:
    log_kwargs["duration_ms"] = round((time.perf_counter() - getattr(request, BEGAN_AT)) * 1000, 1)


_celery_receiver = CeleryReceiver()


def carry_into_tasks() -> None:
    """Carry the request id in Celery messages, and log durations. Safe to call again."""
    from django_structlog.signals import bind_extra_request_finished_metadata

    before_task_publish.connect(_celery_receiver.receiver_before_task_publish, dispatch_uid="logs.carry")
    task_prerun.connect(_celery_receiver.receiver_task_prerun, dispatch_uid="logs.carry")
    bind_extra_request_finished_metadata.connect(note_duration, dispatch_uid="logs.duration")
