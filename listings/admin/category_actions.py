"""The action of the list of categories that renames and merges them."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from listings.categories.changes import move_category
from listings.categories.tree import LONGEST_PATH
from listings.errors import DomainError
from listings.models import Category


class MoveForm(forms.Form):
    """The path that the chosen categories get."""

    to = forms.CharField(
        max_length=LONGEST_PATH,
        label="New path",
        help_text="Such as Home & Garden / Beds. What has this path already takes in the chosen categories.",
    )


@admin.action(description="Rename, or merge into another category", permissions=["change"])
def move_categories(
    modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet[Category]
) -> HttpResponse | None:
    """Ask for the new path, then give it to each of the chosen categories."""
    form = MoveForm(request.POST if "to" in request.POST else None)
    if form.is_valid():
        _move(request, queryset, form.cleaned_data["to"])
        return None
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": "Rename or merge categories",
        "form": form,
        "categories": queryset,
        "checkbox": ACTION_CHECKBOX_NAME,
        "opts": modeladmin.model._meta,
    }
    return TemplateResponse(request, "listings/admin/move_categories.html", context)


def _move(request: HttpRequest, queryset: QuerySet[Category], path: str) -> None:
    for category in list(queryset):
        try:
            move_category(category=category, path=path)
            messages.success(request, f"{category.path} is {path} now.")
        except DomainError as error:
            messages.error(request, f"{category.path}: {error.detail}")
        except Category.DoesNotExist:  # it went along with one above it
            continue
