"""What is logged and how: lines for people, or JSON, each with the id of the request that caused it.

The id goes with the messages that a request sends: what a task logs bears the id of the request behind it.
Nobody's token or key, no body, no query string, no address and no name of a person is logged.
"""

import logging
import re
import time
from collections.abc import Mapping, MutableMapping
from typing import Any
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

# What PostgreSQL says below its message quotes rows and parameters, which have lines of their own: all of it
# goes, up to where Python goes on. In a repr it is one line.
_QUOTES = r"(?:DETAIL|CONTEXT|QUERY|LINE \d+):"
_ROWS = (
    re.compile(
        rf"(?s)\n[ |]*{_QUOTES}.*?(?=\n\n[ |]*(?:The above exception was|During handling of the above)|\Z)"
    ),
    re.compile(rf"\\n{_QUOTES}[^\n]*"),
)
# What would begin a line of its own, or command a terminal.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}

Event = MutableMapping[str, Any]
failures = logging.getLogger("django.request")


def without_secrets(text: str) -> str:
    """The text without what looks like a credential, or like a row: a library's error may quote one."""
    for pattern in _ROWS:
        text = pattern.sub("", text)
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def hide_secrets(logger: object, method: str, event: Event) -> Event:
    """A processor of structlog: no field holds a credential, or a row of the database."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = without_secrets(value)
    return event


def as_line(logger: object, method: str, event: Event) -> str:
    """`2026-11-21 15:04:05 INFO name: what happened key=value`, and a traceback below it.

    The supervisor of `make run` tells by its beginning how loud a line is. What would begin a line of
    its own, within the text, is escaped.
    """
    told = dict(event)
    stamp, level, name = (told.pop(key, "") for key in ("timestamp", "level", "logger"))
    what, below = told.pop("event", ""), told.pop("exception", None)
    pairs = "".join(f" {key}={value}" for key, value in sorted(told.items()))
    line = f"{stamp} {level.upper()} {name}: {what}{pairs}".translate(_CONTROL)
    return f"{line}\n{_below(below)}" if below else line


def _below(trace: str) -> str:
    """A traceback, in which no message can look like a line of its own."""
    lines = (line.translate(_CONTROL) for line in trace.split("\n"))
    return "\n".join(f"  {line}" if line[:1].isdigit() else line for line in lines)


def logging_settings(log_format: str, level: str) -> dict[str, Any]:
    """Django's LOGGING.   log_format: `text` or `json`; level: as of Python's logging."""
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
            "faiss.loader": {"level": "WARNING"},  # it tells which processor features it looks for
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "django.request": {"level": "ERROR"},  # what a caller did wrong is told to the caller
        }
        # gunicorn has a handler of its own, whose lines are not JSON.
        | ({"gunicorn.error": {"handlers": ["console"], "propagate": False}} if log_format == "json" else {}),
        "root": {"handlers": ["console"], "level": level},
    }


def formatter(log_format: str) -> structlog.stdlib.ProcessorFormatter:
    """Of records of structlog's and of any other library's, alike."""
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
    stamp = {"fmt": "iso" if for_machines else "%Y-%m-%d %H:%M:%S", "utc": for_machines}
    return [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(**stamp),
    ]


class RequestIdMiddleware(RequestMiddleware):
    """Every request has an id: the caller's X-Request-ID where it is sane, else a new one."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = sane_id(request.META) or uuid4().hex
        request.META["HTTP_X_REQUEST_ID"] = request_id  # where django-structlog reads it
        request.began_at = time.perf_counter()
        response = super().__call__(request)
        response[HEADER] = request_id
        return response

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        """Django would tell of a failure only after the id is forgotten."""
        if response.status_code >= 500 and not getattr(response, "_has_been_logged", False):
            failures.error("%s: %s", response.reason_phrase, escape_uri_path(request.path))
            response._has_been_logged = True
        super().handle_response(request, response)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Without the query: it holds what somebody looks for, and where they are."""
        return f"{request.method} {escape_uri_path(request.path)}"

    def process_got_request_exception(self, sender: object, request: HttpRequest, **_: object) -> None:
        """Nothing: Django's own logger tells it, with the same id. Once is enough."""


def sane_id(meta: Mapping[str, str]) -> str | None:
    """The id that came with a request, if it is one that may stand in a log and a header."""
    given = meta.get("HTTP_X_REQUEST_ID", "")
    return given if SANE_ID.fullmatch(given) else None


def note_duration(sender: object, request: HttpRequest, log_kwargs: dict[str, Any], **_: object) -> None:
    log_kwargs["duration_ms"] = round((time.perf_counter() - request.began_at) * 1000, 1)


_carrier = CeleryReceiver()


def carry_into_tasks() -> None:
    """Have messages carry the id, and whoever works on them log it. Safe to call again."""
    from django_structlog.signals import bind_extra_request_finished_metadata

    before_task_publish.connect(_carrier.receiver_before_task_publish, dispatch_uid="logs.carry")
    task_prerun.connect(_carrier.receiver_task_prerun, dispatch_uid="logs.carry")
    bind_extra_request_finished_metadata.connect(note_duration, dispatch_uid="logs.duration")
