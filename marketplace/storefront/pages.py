"""What every page of the shop has in common: who asks, how it is rendered, and pages for errors."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework.exceptions import NotFound
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import StaticHTMLRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

from listings.callers import CallerRequest
from marketplace.storefront import demo_shoppers
from marketplace.web.errors import problem

HEADLINES = {
    403: "You cannot do that here",
    404: "That is not here (any more)",
    429: "A little slower, please",
    503: "Back in a moment",
}


def filled(form: Mapping[str, Any]) -> dict[str, Any]:
    """What was filled in of a form or an address: browsers send empty fields, too."""
    return {name: value for name, value in form.items() if value not in ("", None)}


class ShopPage(APIView):
    """A page of the shop. Anyone may read it; the verbs behind it decide the rest.

    A REST view, so that callers, rate limits and errors are those of the API. Unlike one, it checks the CSRF
    token of every form: visitors and demo shoppers have cookies, too.
    """

    request: CallerRequest
    authentication_classes = [demo_shoppers.ShopperAuthentication]
    permission_classes = [AllowAny]
    parser_classes = [FormParser, MultiPartParser]
    renderer_classes = [StaticHTMLRenderer]
    schema: Any = None  # described in docs/storefront.md, not in the schema of the API

    @classmethod
    def as_view(cls, **options: Any):
        view = super().as_view(**options)
        view.csrf_exempt = False
        return view

    def initial(self, request, *arguments, **options):
        if not settings.ENVIRONMENT.storefront:
            raise NotFound("The shop is turned off.")
        super().initial(request, *arguments, **options)

    def perform_content_negotiation(self, request, force=False):
        """HTML, whatever was asked for."""
        return StaticHTMLRenderer(), StaticHTMLRenderer.media_type

    def finalize_response(self, request, response, *arguments, **options):
        response = super().finalize_response(request, response, *arguments, **options)
        patch_vary_headers(response, ["HX-Request", "Cookie"])
        patch_cache_control(response, private=True, no_cache=True)
        return response

    def get_exception_handler(self):
        return self._error_page if settings.ENVIRONMENT.storefront else super().get_exception_handler()

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks, for a part of the page that it shows."""
        return self.request.headers.get("HX-Request") == "true"

    def show(self, template: str, context: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
        """Render a template of the shop, with what the frame of every page needs."""
        caller = self.request.caller
        frame = {
            "caller": caller,
            "shopper": demo_shoppers.shopper_of(caller),
            "has_demo_shoppers": settings.ENVIRONMENT.demo_shoppers,
            "is_fragment": self.is_fragment,
            "here": self.request.get_full_path(),
        }
        page = frame | (context or {})
        return render(self.request._request, f"storefront/{template}", page, status=status)

    def back(self, fallback: str = "/") -> HttpResponse:
        """Redirect to the page that the form was on."""
        target = self.request.POST.get("next", "")
        is_safe = url_has_allowed_host_and_scheme(target, {self.request.get_host()})
        return redirect(target if is_safe else fallback)

    def _error_page(self, error: Exception, context: dict) -> HttpResponseBase | None:
        """The answer of the API to an error, as a page; for htmx, as the sentence that it shows."""
        reply = problem(error, context)
        if reply is None:
            return None
        if self.is_fragment:
            page: HttpResponse = HttpResponse(
                str(reply.data["detail"]), status=reply.status_code, content_type="text/plain; charset=utf-8"
            )
        else:
            page = self._whole_error_page(reply)
        for name, value in reply.items():
            if name in ("Retry-After", "Allow", "WWW-Authenticate"):
                page[name] = value
        return page

    def _whole_error_page(self, reply: Response) -> HttpResponse:
        context = {
            "headline": HEADLINES.get(reply.status_code, "That did not work"),
            "detail": reply.data["detail"],
        }
        if not hasattr(self.request._request, "caller"):  # it was refused before anybody was recognised
            return render(self.request._request, "storefront/error.html", context, status=reply.status_code)
        return self.show("error.html", context, status=reply.status_code)
