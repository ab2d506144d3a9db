"""Views for liveness, readiness and Prometheus metrics.

Anyone may read the status. Details and metrics are for staff and for services with the scope `staff`. IP
addresses are not trusted, because behind a proxy all requests share the proxy's. While the database is down,
these views accept a service key that was valid within the last hour, so that operators can see what failed.
"""

import math
import time
from typing import Any

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from listings.callers import VIEW_OPERATIONS, Caller
from marketplace.models import Scope, ServiceKey
from marketplace.monitoring import checks as monitoring_checks
from marketplace.monitoring import logs
from marketplace.monitoring import metrics as counted
from marketplace.monitoring.results import UNREADY, readiness_of
from marketplace.web import errors
from marketplace.web.authentication import CallerAuthentication
from recommendations.replica import follower

TRUSTED_S = 3600.0
# Digests of service keys with the scope `staff`, with the time at which this process last verified them.
_verified_at: dict[str, float] = {}


@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """The process is alive. Checks neither database nor Redis."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when this process should receive requests, else 503. Operators get every check."""
    checks = monitoring_checks.cached_checks()
    verdict = readiness_of(checks)
    body: dict[str, Any] = {"status": verdict}
    if is_operator(request):
        body |= {
            "lines": [line.to_json() for line in checks],
            "feeds_lack": follower.degraded(),
            "encoder": monitoring_checks.encoder_state(),
        }
    response = JsonResponse(body, status=503 if verdict == UNREADY else 200)
    setattr(response, logs.LOGGED, True)  # a load balancer asks every few seconds
    return response


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Metrics for Prometheus, which sends a service key with the scope `staff`."""
    if not is_operator(request):
        return errors.forbidden(request)
    return HttpResponse(counted.exposition(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def is_operator(request: HttpRequest) -> bool:
    """Whether the caller is staff with the permission for it, or a service with the scope `staff`."""
    try:
        CallerAuthentication().authenticate(Request(request))
    except AuthenticationFailed:
        _verified_at.pop(_digest(request), None)  # the key may have been revoked
        return False
    except Error:
        return time.monotonic() - _verified_at.get(_digest(request), -math.inf) < TRUSTED_S
    caller: Caller | None = getattr(request, "caller", None)
    _verified_at.pop(_digest(request), None)  # the key may have lost the scope
    if caller is None or not caller.is_service:
        return caller is not None and VIEW_OPERATIONS in caller.permissions
    if Scope.STAFF not in caller.scopes:
        return False
    _verified_at[_digest(request)] = time.monotonic()
    return True


def _digest(request: HttpRequest) -> str:
    """The digest of the secret in the header; other credentials match no key."""
    secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")[2]
    return ServiceKey.digest_of(secret.strip())
