"""Content-Security-Policy and Permissions-Policy headers by the kind of response.

Django 5.2 has no setting for them.
"""

from collections.abc import Callable

from django.apps import apps
from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"

# HTML pages: everything from this site, no inline scripts. Swagger's page and the admin's images have inline
# styles, and Swagger loads its icons from data: URLs.
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# django-unfold draws its menus with Alpine.js, which evaluates expressions in attributes of the page. There
# are no inline scripts there either, and what shoppers write cannot become an attribute: Django escapes it.
STAFF_PAGE = PAGE.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")
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
        response.headers.setdefault(HEADER, _policy_of(request) if is_page else DATA)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        return response


def _policy_of(request: HttpRequest) -> str:
    match = request.resolver_match
    is_of_staff = match is not None and (match.namespace == "admin" or match.url_name == "login-form")
    return STAFF_PAGE if is_of_staff and apps.is_installed("unfold") else PAGE
