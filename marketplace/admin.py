"""Admin pages of accounts, credentials and the staff access log. A key's secret is shown once."""

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.utils import timezone

from listings.admin.base import StaffAdmin
from marketplace.models import PersonToken, Scope, ServiceKey, StaffAccess

admin.site.unregister([User, Group])


@admin.register(User)
class StaffUserAdmin(UserAdmin, StaffAdmin):
    """Django's page of accounts, with the fields of the other pages."""

    if apps.is_installed("unfold"):
        from unfold import forms as styled

        form, add_form = styled.UserChangeForm, styled.UserCreationForm
        change_password_form = styled.AdminPasswordChangeForm


@admin.register(Group)
class StaffGroupAdmin(GroupAdmin, StaffAdmin):
    """Django's page of groups, with the fields of the other pages."""


class ServiceKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = ServiceKey
        fields = ("name", "scopes", "expires_at")


@admin.register(ServiceKey)
class ServiceKeyAdmin(StaffAdmin):
    form = ServiceKeyForm
    list_display = ("name", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    actions = ("revoke",)

    def save_model(self, request, obj: ServiceKey, form: ServiceKeyForm, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        key, secret = ServiceKey.issue(**form.cleaned_data)
        obj.pk = key.pk
        self.message_user(request, f"The key, which is shown only once: {secret}", messages.WARNING)

    @admin.action(description="Revoke")
    def revoke(self, request, queryset):
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(request, f"{count} keys revoked.", messages.SUCCESS)


class ReadOnly:
    """Mixin for rows that the admin shows but neither adds nor changes."""

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


@admin.register(PersonToken)
class PersonTokenAdmin(ReadOnly, StaffAdmin):
    """Tokens are created by logging in. Deleting one revokes it."""

    list_display = ("token_key", "user", "scopes", "created", "expiry", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    fields = ("user", "scopes", "created", "expiry", "last_used_at")
    ordering = ("-created",)


@admin.register(StaffAccess)
class StaffAccessAdmin(ReadOnly, StaffAdmin):
    """Log of requests that staff made on behalf of an actor."""

    list_display = ("at", "by", "whose", "what")
    list_filter = ("what", "at", "by")
    list_select_related = ("whose",)
    search_fields = ("by", "whose__external_id")
    ordering = ("-at", "-pk")

    def has_delete_permission(self, request, obj=None) -> bool:
        return False
