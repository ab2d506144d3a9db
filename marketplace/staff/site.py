"""The admin site, with its menu by task, from which the templates of Django and of django-unfold read."""

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from marketplace.staff import menu

# Not from `listings.admin`: what registers pages is imported only once this site is made.
if TYPE_CHECKING or not apps.is_installed("unfold"):
    from django.contrib.admin import AdminSite
else:
    from unfold.sites import UnfoldAdminSite as AdminSite


class StaffSite(AdminSite):
    site_header = site_title = "Marketplace"
    index_title = "Catalogue and recommendations"
    index_template = "staff/dashboard.html"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The front page, with the dashboard for those who may see it."""
        from marketplace.staff.dashboard import dashboard_of  # once the pages of tables are registered

        shown = dashboard_of(request.user, timezone.now())
        return super().index(request, {**shown, **(extra_context or {})})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """The tables that the user may see, by task; those of one app as Django lists them."""
        listed = super().get_app_list(request, app_label)
        return listed if app_label else menu.by_task(listed)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu as django-unfold wants it."""
    from django.contrib import admin  # the site, once it is made

    return menu.with_icons(admin.site.get_app_list(request))
