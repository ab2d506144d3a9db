"""View that serves stored photos."""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from django.views.static import serve

from marketplace.web import security_headers

# File names of listings/photos/processing.py. Nothing else in that folder is served.
NAMES = r"^media/(?P<path>photos/[0-9a-f]{2}/[0-9a-f]{32}(-640|-256)?\.jpg)$"


@require_safe
def photo(request: HttpRequest, path: str) -> HttpResponseBase:
    """A stored photo, as JPEG."""
    response = serve(request, path, document_root=str(settings.MEDIA_ROOT))
    response.headers["Content-Type"] = "image/jpeg"
    response.headers[security_headers.HEADER] = security_headers.MEDIA
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
