"""Logging in and out, with Django's own forms. What a visitor did counts for the member from then on."""

import functools
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.decorators import login_not_required as for_anyone
from django.contrib.auth.views import LoginView, LogoutView
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from marketplace.storefront import demo_shoppers
from marketplace.web.rate_limits import limited_login


class _Login(LoginView):
    template_name = "storefront/login.html"
    next_page = "/"
    http_method_names = ["get", "head", "post", "options"]  # Django's also takes PUT

    def form_valid(self, form) -> HttpResponse:
        reply = super().form_valid(form)
        reply.delete_cookie(demo_shoppers.COOKIE)
        return reply


def _only_with_the_shop(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """404 where the shop is turned off."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *arguments: object, **options: object) -> HttpResponseBase:
        if not settings.ENVIRONMENT.storefront:
            raise Http404
        return view(request, *arguments, **options)

    return guarded


log_in = for_anyone(_only_with_the_shop(limited_login(_Login.as_view())))
log_out = for_anyone(_only_with_the_shop(LogoutView.as_view(next_page="/")))
