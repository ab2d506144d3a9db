"""Limits on the size of request bodies, checked before the body is read.

Parsers run too late: Django spools uploaded files to disk whole, and REST framework reads JSON whole.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework import status
from rest_framework.exceptions import APIException

from marketplace.web.errors import plain_problem

PLAIN_BYTES = 100_000  # for JSON and forms without files, unless the view has a `body_limit`
BESIDE_PHOTO_BYTES = 1_000_000  # for the other fields of a form with a photo


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE

    def __init__(self, maximum: int):
        super().__init__(f"A request to this address holds at most {maximum:,} bytes.")


class BodyLimitMiddleware:
    """Answers 413 when Content-Length exceeds the limit of the view.

    A chunked request has no Content-Length, and Django does not read its body.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable, *_: object) -> HttpResponse | None:
        maximum = maximum_bytes(request, view)
        return None if 0 <= _length(request) <= maximum else plain_problem(TooLarge(maximum))


def maximum_bytes(request: HttpRequest, view: Callable) -> int:
    """The largest accepted body of this request, in bytes."""
    if request.content_type == "multipart/form-data":
        return settings.ENVIRONMENT.photo_maximum_bytes + BESIDE_PHOTO_BYTES
    return getattr(getattr(view, "cls", None), "body_limit", PLAIN_BYTES)


def _length(request: HttpRequest) -> int:
    """Content-Length as Django reads it: 0 when malformed."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
