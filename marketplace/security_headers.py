"""What a browser may do with a reply: Content-Security-Policy by the kind of reply.

A dozen lines of our own: Django 5.2 has no such policy, and these three never differ by request.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"

# Admin, API docs and whatever else is a page: all comes from this site, and no script stands in the page.
# Swagger's page and the admin's pictures have styles in them; Swagger draws its icons from data: addresses.
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DATA = "default-src 'none'; frame-ancestors 'none'"
# Photos may be shown by any site; opened by themselves they run nothing, whatever a browser takes them for.
MEDIA = "default-src 'none'; sandbox; frame-ancestors 'none'"


class ContentSecurityPolicyMiddleware:
    """Sets the policy where a view has not set one of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        response.headers.setdefault(HEADER, PAGE if is_page else DATA)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        return response
