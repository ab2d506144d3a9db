"""Base classes of staff pages: django-unfold's where it is installed, else Django's own."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.admin import display
from django.contrib.auth import get_permission_codename
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils import timezone
from django.utils.html import format_html

if TYPE_CHECKING or not apps.is_installed("unfold"):
    from django.contrib.admin import ModelAdmin, StackedInline
else:
    from unfold.admin import ModelAdmin, StackedInline

__all__ = ["ModelAdmin", "StackedInline", "StaffAdmin", "may_change", "moment"]


def moment(at: datetime | None) -> str:
    """HTML: how long ago, or ahead, a time is; the exact one on hover.   — without a time."""
    if at is None:
        return "—"
    exact = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(),
        f"{exact:%Y-%m-%d %H:%M:%S %Z}",
        naturaltime(at),
    )


def may_change(request, model: type[models.Model]) -> bool:
    """Whether the user has Django's change permission, for actions on models whose forms are read-only."""
    return request.user.has_perm(f"{model._meta.app_label}.{get_permission_codename('change', model._meta)}")


class StaffAdmin(ModelAdmin):
    """Base of all lists and forms. Times in lists are relative."""

    def get_list_display(self, request) -> list[Any]:
        return [self._readable(name) for name in super().get_list_display(request)]

    def _readable(self, name: Any) -> Any:
        """A column of its own for a time; any other column as it is."""
        try:
            field = self.model._meta.get_field(name)
        except (FieldDoesNotExist, TypeError):
            return name
        return _column_of_moments(field) if isinstance(field, models.DateTimeField) else name


def _column_of_moments(field: models.DateTimeField) -> Callable[[models.Model], str]:
    def column(row: models.Model) -> str:
        return moment(getattr(row, field.name))

    column.__name__ = field.name  # the class of its cells
    return display(column, description=field.verbose_name, ordering=field.name)
