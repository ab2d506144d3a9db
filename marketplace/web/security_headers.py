"""Content-Security-Policy and Permissions-Policy headers by the kind of response.

Django 5.2 has no setting for them, and these three policies never differ by request.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"

# HTML pages: everything from this site, no inline scripts. Swagger's page and the admin's images have inline
# styles, and Swagger loads its icons from data: URLs.
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DATA = "default-src 'none'; frame-ancestors 'none'"
# Other sites may show photos. Opened directly they run no script, even if a browser misreads their type.
MEDIA = "default-src 'none'; sandbox; frame-ancestors 'none'"


class ContentSecurityPolicyMiddleware:
    """Sets the policies unless the view has set its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        response.headers.setdefault(HEADER, PAGE if is_page else DATA)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        return response
