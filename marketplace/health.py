"""Whether this process answers, whether it should be asked, and what may be counted of it.

Anybody may know whether it is ready. Why not, and every figure, is for staff and for services of the scope
`staff`. Nobody is trusted for their address: behind a proxy everybody has the proxy's.
"""

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from marketplace import condition, errors, lines
from marketplace import metrics as counted
from marketplace.authentication import CallerAuthentication
from marketplace.models import Scope
from recommendations import replica


@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """The process is alive; it asks neither database nor Redis."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when this process should be asked, else 503. An operator is told of every line."""
    seen = condition.seen()
    verdict = lines.verdict_of(seen)
    told = {"status": verdict}
    if is_operator(request):
        told |= {"lines": [line.to_json() for line in seen], "feeds_lack": replica.degraded()}
    response = JsonResponse(told, status=503 if verdict == lines.UNREADY else 200)
    response._has_been_logged = True  # a balancer asks every few seconds
    return response


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus, which sends a service key of the scope `staff`."""
    if not is_operator(request):
        return errors.forbidden(request)
    return HttpResponse(counted.exposition(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def is_operator(request: HttpRequest) -> bool:
    """Whether a member of staff asks, or a service with the scope `staff`."""
    try:
        CallerAuthentication().authenticate(Request(request))
    except (AuthenticationFailed, Error):
        return False
    return Scope.STAFF in request.caller.scopes
