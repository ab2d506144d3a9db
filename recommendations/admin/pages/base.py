"""What all pages have in common: permissions, the access log, and the frame of the admin around them."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join

from listings.models import Actor
from recommendations.core.acting_for import accessed_by_staff
from recommendations.core.identity import member_of

VIEW_EVENTS, VIEW_SLATES = "recommendations.view_interaction", "recommendations.view_slate"


def require(request: HttpRequest, *permissions: str) -> None:
    """Raises PermissionDenied unless the user has all of these permissions."""
    user = request.user
    if not user.is_authenticated or not user.has_perms(permissions):
        raise PermissionDenied


def note_access(request: HttpRequest, actor: Actor, what: str) -> None:
    """Record that staff looked at what belongs to another person."""
    member = member_of(actor)
    if member.user_id != request.user.pk:
        accessed_by_staff.send(sender=None, by=request.user.get_username(), actor=member, what=what)


def page(request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
    """A page in the frame of the admin."""
    frame = admin.site.each_context(request)
    return TemplateResponse(request, f"staff/{template}", {**frame, "title": title, **context})


def address_of(model: type[Model], name: str) -> str:
    """The name of a page of a model in the admin, for `reverse` within `admin:`."""
    return f"{model._meta.app_label}_{model._meta.model_name}_{name}"


def link_to_page(row: Model, name: str) -> str:
    return reverse(f"admin:{address_of(type(row), name)}", args=[row.pk])


def links_of(row: Model, titles: Mapping[str, str], current: str) -> list[tuple[str, str, bool]]:
    """Title and address of each page of a row, and whether it is the current one."""
    return [(title, link_to_page(row, name), name == current) for name, title in titles.items()]


class PagesMixin(admin.ModelAdmin):
    """Mixin of an admin with pages for its rows, each under the address of the row.

    pages: the name of each page, as in its address, and the view, which takes the request and the row.
    """

    pages: dict[str, Callable[[HttpRequest, Any], HttpResponse]] = {}

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<path:object_id>/{name}/", self._view(view), name=address_of(self.model, name))
            for name, view in self.pages.items()
        ]
        return [*own, *super().get_urls()]

    def _view(self, view: Callable[[HttpRequest, Any], HttpResponse]) -> Callable[..., HttpResponse]:
        def show(request: HttpRequest, object_id: str) -> HttpResponse:
            row = self.get_object(request, object_id)
            if row is None:
                raise Http404
            if not self.has_view_permission(request, row):
                raise PermissionDenied
            return view(request, row)

        return self.admin_site.admin_view(show)


class LinkedPagesMixin(PagesMixin):
    """Mixin of an admin whose pages are linked in the list and on the form.

    titles: of each page by its name, and of the form, which is called `change`.
    """

    titles: Mapping[str, str] = {}
    change_form_template = "staff/form.html"

    def get_list_display(self, request):
        return (*super().get_list_display(request), "look")

    def change_view(self, request, object_id, form_url="", extra_context=None):
        row = self.get_object(request, object_id)
        links = [] if row is None else links_of(row, self.titles, "change")
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "links": links})

    @admin.display(description="")
    def look(self, row: Model) -> str:
        pages = ((link_to_page(row, name), self.titles[name]) for name in self.pages)
        return format_html_join(" · ", '<a href="{}">{}</a>', pages)
