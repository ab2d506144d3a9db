"""Whether this process answers at all."""

from django.http import HttpRequest, JsonResponse


def livez(request: HttpRequest) -> JsonResponse:
    """The process is alive; it asks neither database nor Redis."""
    return JsonResponse({"status": "alive"})
