"""Photos as a browser gets them."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from django.views.static import serve

from marketplace import security_headers

# What listings/photos.py names its files; nothing else that lies in that folder is served.
NAMES = r"^media/(?P<path>photos/[0-9a-f]{2}/[0-9a-f]{32}(-640|-256)?\.jpg)$"


@require_safe
def photo(request: HttpRequest, path: str) -> HttpResponse:
    """A stored photo: always as the JPEG that listings/photos.py has made of it."""
    response = serve(request, path, document_root=settings.MEDIA_ROOT)
    response.headers["Content-Type"] = "image/jpeg"
    response.headers[security_headers.HEADER] = security_headers.MEDIA
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
