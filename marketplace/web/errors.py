"""Conversion of every error of the API to RFC 9457 problem+json."""

import logging
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import islice

from django.core.exceptions import DisallowedHost, PermissionDenied
from django.db import DataError, IntegrityError, OperationalError
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response

from listings.errors import Conflict, DomainError, Forbidden, Invalid, Missing, Unavailable

CONTENT_TYPE = "application/problem+json"
STATUS_OF = {Invalid: 400, Forbidden: 403, Missing: 404, Conflict: 409, Unavailable: 503}
TRY_AGAIN = {"Retry-After": "2"}
DIAGNOSIS = ("sqlstate", "table_name", "constraint_name")
MOST_ERRORS = 100
KEPT_HEADERS = ("WWW-Authenticate", "Retry-After", "Allow")
logger = logging.getLogger(__name__)


def problem(error: Exception, context: dict) -> Response | None:
    """REST framework's exception handler. Returns None for unknown errors, which become Django's 500."""
    if isinstance(error, DomainError):
        headers = TRY_AGAIN if isinstance(error, Unavailable) else None
        return _reply(_status_of(error), error.detail, _field_errors(error), headers)
    if isinstance(error, OperationalError):
        logger.error(
            "The database did not answer; the request got 503. Check PostgreSQL: %s",
            describe_database_error(error),
        )
        return _reply(503, "The database does not answer just now.", headers=TRY_AGAIN)
    if isinstance(error, IntegrityError):
        logger.warning(
            "Two concurrent writes conflicted; the second got 409: %s", describe_database_error(error)
        )
        return _reply(409, "It clashes with what somebody else wrote at the same moment; send it again.")
    if isinstance(error, DataError | RecursionError):  # such as a NUL in a URL, or deeply nested JSON
        logger.warning("A request was refused with 400: %s", describe_database_error(error))
        return _reply(400, "It holds something that cannot be stored.")
    # Here, since DRF's views import the classes that settings name, some of which import this module.
    from rest_framework.views import exception_handler

    response = exception_handler(_as_api_error(error), context)
    if response is None:
        return None
    kept = {name: response[name] for name in KEPT_HEADERS if name in response}
    return _reply(response.status_code, *_detail_and_errors(error, response.data), headers=kept)


def describe_database_error(error: Exception) -> str:
    """Type, SQLSTATE, table and constraint of a database error, without the personal data in its message."""
    cause = error.__cause__
    diagnosis = getattr(cause, "diag", None)
    parts = [type(cause or error).__name__, *(getattr(diagnosis, name, None) for name in DIAGNOSIS)]
    return " ".join(part for part in parts if part)


def _as_api_error(error: Exception) -> Exception:
    if isinstance(error, Http404):
        return exceptions.NotFound()
    return exceptions.PermissionDenied() if isinstance(error, PermissionDenied) else error


def _status_of(error: DomainError) -> int:
    return next((status for kind, status in STATUS_OF.items() if isinstance(error, kind)), 400)


def _field_errors(error: DomainError) -> list[dict[str, str]]:
    return [{"field": error.field, "detail": error.detail}] if error.field else []


def _detail_and_errors(error: Exception, data: object) -> tuple[str, list[dict[str, str]]]:
    if not isinstance(error, exceptions.ValidationError):
        return str(data.get("detail", data) if isinstance(data, dict) else data), []
    errors = list(islice(_flat(data, ""), MOST_ERRORS))
    return "; ".join(
        f"{e['field']}: {e['detail']}" if e["field"] else e["detail"] for e in errors[:5]
    ), errors


def _flat(data: object, field: str) -> Iterator[dict[str, str]]:
    if isinstance(data, dict):
        for name, inner in data.items():
            yield from _flat(inner, field if name == "non_field_errors" else f"{field}.{name}".strip("."))
    elif isinstance(data, list):
        for position, inner in enumerate(data):
            yield from _flat(inner, f"{field}.{position}" if isinstance(inner, dict | list) else field)
    else:
        yield {"field": field, "detail": str(data)}


def _body(status: int, detail: str, errors: list[dict[str, str]]) -> dict:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return body | ({"errors": errors} if errors else {})


def _reply(
    status: int, detail: str, errors: Sequence[dict[str, str]] = (), headers: dict[str, str] | None = None
) -> Response:
    return Response(
        _body(status, detail, list(errors)), status=status, headers=headers, content_type=CONTENT_TYPE
    )


def _plain(status: int, detail: str, headers: dict[str, str] | None = None) -> JsonResponse:
    return JsonResponse(_body(status, detail, []), status=status, headers=headers, content_type=CONTENT_TYPE)


def plain_problem(error: Exception) -> JsonResponse:
    """The response of `problem`, for views outside REST framework. The error has to be one it handles."""
    response = problem(error, {})
    if response is None:
        raise error
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    return _plain(response.status_code, response.data["detail"], headers)


def bad_request(request, exception=None) -> JsonResponse:
    if isinstance(exception, DisallowedHost):
        return _plain(400, "This host is not one that the site answers to; its operator sets ALLOWED_HOSTS.")
    return _plain(400, "The request could not be understood.")


def forbidden(request, exception=None) -> JsonResponse:
    return _plain(403, "This is not allowed.")


def not_found(request, exception=None) -> JsonResponse:
    return _plain(404, "There is nothing at this address; /api/docs/ lists what there is.")


def server_error(request) -> JsonResponse:
    return _plain(500, "Something went wrong on our side.")
