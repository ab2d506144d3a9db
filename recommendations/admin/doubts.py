"""Admin mixin of doubts: staff see actors whose events count less, and decide about them."""

from django.contrib import admin, messages
from django.utils import timezone

from listings.admin.base import StaffAdmin
from recommendations.models.doubts import Doubt
from recommendations.trust import detection


class BaseDoubtAdmin(StaffAdmin):
    """Admin of doubts. The system detects them; staff uphold or release them."""

    list_display = ("actor", "reason", "share", "evidence", "found_at", "decision", "decided_by")
    list_filter = ("decision", "reason", "found_at")
    list_select_related = ("actor",)
    search_fields = ("actor__external_id",)
    ordering = ("share", "-found_at")
    actions = ("release", "uphold")

    @admin.action(description="Release: they count fully, and are not doubted again", permissions=["decide"])
    def release(self, request, queryset):
        self._decide(request, queryset, Doubt.Decision.RELEASED)

    @admin.action(description="Uphold: it stays so", permissions=["decide"])
    def uphold(self, request, queryset):
        self._decide(request, queryset, Doubt.Decision.UPHELD)

    def has_decide_permission(self, request) -> bool:
        return request.user.has_perm("recommendations.change_doubt")

    def _decide(self, request, queryset, decision: str) -> None:
        by = request.user.get_username()
        count = detection.decide(queryset, decision=decision, by=by, now=timezone.now())
        self.message_user(request, f"Decided: {count}. The next training heeds it.", messages.SUCCESS)
