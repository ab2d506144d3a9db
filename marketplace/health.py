"""Whether this process answers, whether it should be asked, and what may be counted of it.

Anybody may know whether it is ready. Why not, and every figure, is for staff and for services of the scope
`staff`. Nobody is trusted for their address: behind a proxy everybody has the proxy's. While the database
cannot be asked who somebody is, a service that was known a while ago is believed here, and here alone: that
is when its operator looks.
"""

import math
import time

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from marketplace import condition, errors, lines
from marketplace import metrics as counted
from marketplace.authentication import CallerAuthentication
from marketplace.models import Scope, ServiceKey
from recommendations import replica

BELIEVED_S = 3600.0
# Digests of service keys, and when this process last saw them to be good and of the scope `staff`.
_seen_good: dict[str, float] = {}


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
    except AuthenticationFailed:
        _seen_good.pop(_digest(request), None)  # it may have been revoked
        return False
    except Error:
        return time.monotonic() - _seen_good.get(_digest(request), -math.inf) < BELIEVED_S
    is_known = Scope.STAFF in request.caller.scopes
    _seen_good.pop(_digest(request), None)  # it may have lost the scope
    if is_known and request.caller.is_service:
        _seen_good[_digest(request)] = time.monotonic()
    return is_known


def _digest(request: HttpRequest) -> str:
    """Of the secret that a service sends; whatever else stands there leads to no key."""
    secret = get_authorization_header(request).decode("latin-1").partition(" ")[2]
    return ServiceKey.digest_of(secret.strip())
