"""Admin mixins of boosts and of their history, which names the author of every change."""

from django.contrib import admin
from django.db.models import Q
from django.db.models.query import QuerySet
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from listings.admin.base import StaffAdmin
from recommendations.models.boosts import Boost, BoostChange
from recommendations.ranking import boosts


class StateFilter(admin.SimpleListFilter):
    """Filter of rows with a start and an end: upcoming, current or past."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request, model_admin) -> list[tuple[str, str]]:
        return [("now", "Holds now"), ("ahead", "Lies ahead"), ("over", "Is over")]

    def queryset(self, request, queryset: QuerySet) -> QuerySet:
        now = timezone.now()
        conditions: dict[str | None, Q] = {
            "now": Q(starts_at__lte=now, ends_at__gt=now),
            "ahead": Q(starts_at__gt=now),
            "over": Q(ends_at__lte=now),
        }
        return queryset.filter(conditions.get(self.value(), Q()))


class TargetFilter(admin.SimpleListFilter):
    title = "of a"
    parameter_name = "of"

    def lookups(self, request, model_admin) -> list[tuple[str, str]]:
        return [(name, name.capitalize()) for name in ("category", "seller", "listing")]

    def queryset(self, request, queryset: QuerySet[Boost]) -> QuerySet[Boost]:
        chosen = self.value()
        is_choice = chosen in dict(self.lookup_choices)
        return queryset.filter(**{f"{chosen}__isnull": False}) if is_choice else queryset


class BaseBoostAdmin(StaffAdmin):
    """Admin of boosts. Every change goes through boosts.py, which writes the history."""

    list_display = ("target", "kind", "factor", "starts_at", "ends_at", "state", "note", "created_by")
    list_display_links = ("target",)
    list_filter = (StateFilter, TargetFilter, "created_by")
    list_select_related = ("category", "seller", "listing")
    search_fields = (
        "category__path",
        "seller__external_id",
        "listing__title",
        "listing__external_id",
        "note",
    )
    date_hierarchy = "starts_at"
    ordering = ("-starts_at", "-pk")
    autocomplete_fields = ("category", "seller", "listing")
    readonly_fields = ("created_by", "created_at", "changes")
    fieldsets = (
        (
            None,
            {
                "fields": ("category", "seller", "listing"),
                "description": "Exactly one of the three. Feeds follow within a second or two.",
            },
        ),
        (None, {"fields": ("factor", "starts_at", "ends_at", "note")}),
        ("History", {"fields": ("created_by", "created_at", "changes")}),
    )

    def get_fieldsets(self, request, obj=None):
        """A boost that is being added has no history yet."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj else fieldsets[:-1]

    @admin.display(description="state")
    def state(self, boost: Boost) -> str:
        now = timezone.now()
        if boost.ends_at <= now:
            return "over"
        return "holds now" if boost.starts_at <= now else "lies ahead"

    @admin.display(description="changes")
    def changes(self, boost: Boost) -> str:
        changes = BoostChange.objects.filter(boost_id=boost.pk).order_by("-at", "-pk")
        return format_html_join("", "<p>{}</p>", ((_line(change),) for change in changes)) or "—"

    def save_model(self, request, obj: Boost, form, change: bool) -> None:
        boosts.save_boost(obj, by=request.user.get_username(), now=timezone.now())

    def delete_model(self, request, obj: Boost) -> None:
        boosts.delete_boost(obj, by=request.user.get_username(), now=timezone.now())

    def delete_queryset(self, request, queryset: QuerySet[Boost]) -> None:
        for boost in queryset:
            self.delete_model(request, boost)


class BaseBoostChangeAdmin(StaffAdmin):
    """Admin of the history of all boosts, including deleted ones."""

    list_display = ("at", "by", "action", "boost_id", "difference")
    list_filter = ("action", "by", "at")
    search_fields = ("boost_id", "by")
    ordering = ("-at", "-pk")

    @admin.display(description="what changed")
    def difference(self, change: BoostChange) -> str:
        return difference_of(change)


def difference_of(change: BoostChange) -> str:
    """The changed values as text, before and after."""
    before, after = change.before or {}, change.after or {}
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{name}: {_change(before.get(name), after.get(name))}" for name in names) or "—"


def _change(before: object, after: object) -> str:
    return " → ".join(str(value) for value in (before, after) if value is not None)


def _line(change: BoostChange) -> str:
    at = f"{timezone.localtime(change.at):%Y-%m-%d %H:%M}"
    return format_html("{} {} by {}: {}", at, change.action, change.by, difference_of(change))
