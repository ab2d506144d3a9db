"""How large a body may be, said by each view and asked before any of it is read.

Parsers come too late: Django spools the files of a form to disk whole, and REST framework reads JSON whole.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework import status
from rest_framework.exceptions import APIException

from marketplace.errors import plain_problem

PLAIN_BYTES = 100_000  # JSON, or a form without files, where a view does not say `body_limit`
BESIDE_PHOTO_BYTES = 1_000_000  # the other fields of a form that has a photo


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE

    def __init__(self, most: int):
        super().__init__(f"A request to this address holds at most {most:,} bytes.")


class BodyLimitMiddleware:
    """Answers 413 to what says of itself that it is larger than its view takes.

    What is sent in chunks does not say, and Django reads nothing of it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable, *_: object) -> HttpResponse | None:
        most = most_bytes(request, view)
        return None if 0 <= _length(request) <= most else plain_problem(TooLarge(most))


def most_bytes(request: HttpRequest, view: Callable) -> int:
    """The size up to which the body of this request may be read."""
    if request.content_type == "multipart/form-data":
        return settings.ENVIRONMENT.photo_maximum_bytes + BESIDE_PHOTO_BYTES
    return getattr(getattr(view, "cls", None), "body_limit", PLAIN_BYTES)


def _length(request: HttpRequest) -> int:
    """As Django reads it, for which nonsense is 0."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
