"""Service keys: issued here or by `manage.py issue_key`; the secret is shown once."""

from django import forms
from django.contrib import admin, messages
from django.utils import timezone

from marketplace.models import Scope, ServiceKey


class ServiceKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = ServiceKey
        fields = ("name", "scopes")


@admin.register(ServiceKey)
class ServiceKeyAdmin(admin.ModelAdmin):
    form = ServiceKeyForm
    list_display = ("name", "scopes", "created_at", "revoked_at")
    actions = ("revoke",)

    def save_model(self, request, obj: ServiceKey, form: ServiceKeyForm, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        key, secret = ServiceKey.issue(**form.cleaned_data)
        obj.pk = key.pk
        self.message_user(request, f"The key, shown this once: {secret}", messages.WARNING)

    @admin.action(description="Revoke")
    def revoke(self, request, queryset):
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(request, f"{count} keys revoked.", messages.SUCCESS)
