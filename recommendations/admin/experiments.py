"""Admin of experiments: one page for an experiment and its variants."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models.query import QuerySet
from django.forms.models import BaseInlineFormSet
from django.utils.html import format_html, format_html_join

from listings.admin.base import StackedInline, StaffAdmin
from recommendations.admin.boosts import StateFilter
from recommendations.admin.pages.base import link_to_page
from recommendations.feed import experiments
from recommendations.feed.experiments import NotRunnable
from recommendations.models.experiments import CONTROL, Experiment, Variant
from recommendations.models.feed_parameters import described_parameters


def _has_begun(experiment: Experiment | None) -> bool:
    """By the stored row: the form's instance may be just about to start it."""
    stored = experiment and Experiment.objects.filter(pk=experiment.pk).first()
    return bool(stored and stored.has_begun)


class VariantsFormSet(BaseInlineFormSet):
    """All variants of an experiment. A draft may have any; a started experiment has to be runnable."""

    def clean(self) -> None:
        super().clean()
        # The stubs lack _should_delete_form.
        is_deleted = self._should_delete_form  # type: ignore[attr-defined]
        kept = [form for form in self.forms if not (self.can_delete and is_deleted(form))]
        # A stacked form shows the errors of its fields alone.
        if wrong := [error for form in kept for error in form.non_field_errors()]:
            raise forms.ValidationError(wrong)
        names = [form.cleaned_data["name"] for form in kept if getattr(form, "cleaned_data", {}).get("name")]
        if self.instance.has_begun and not any(self.errors):
            try:
                experiments.require_comparable(names)
            except NotRunnable as error:
                raise forms.ValidationError(error.detail) from None


class VariantInline(StackedInline):
    model = Variant
    formset = VariantsFormSet
    extra = 0
    fields = (("name", "weight"), "parameters")

    def get_extra(self, request, obj=None, **options) -> int:
        return 0 if obj else 2

    def formfield_for_dbfield(self, db_field, request, **options):
        formfield = super().formfield_for_dbfield(db_field, request, **options)
        if db_field.name == "parameters" and formfield is not None:
            formfield.widget.attrs |= {"rows": 3, "cols": 80}
            formfield.help_text = format_html(
                'What differs from other feeds, such as {{"explore_share": 0.2}}:<br>{}',
                format_html_join("", "{}: {}<br>", described_parameters()),
            )
        return formfield

    def has_add_permission(self, request, obj=None) -> bool:
        return super().has_add_permission(request, obj) and not _has_begun(obj)

    def has_change_permission(self, request, obj=None) -> bool:
        return super().has_change_permission(request, obj) and not _has_begun(obj)

    def has_delete_permission(self, request, obj=None) -> bool:
        return super().has_delete_permission(request, obj) and not _has_begun(obj)


class BaseExperimentAdmin(StaffAdmin):
    """Admin of experiments. A started experiment can only be prolonged, widened and stopped."""

    list_display = ("name", "status", "share", "starts_at", "ends_at", "divided")
    list_filter = ("status", StateFilter)
    search_fields = ("name", "variants__name")
    ordering = ("-starts_at", "-pk")
    inlines = (VariantInline,)
    readonly_fields = ("report",)
    fields = ("name", "status", "starts_at", "ends_at", "share", "salt", "report")

    def get_queryset(self, request) -> QuerySet[Experiment]:
        return super().get_queryset(request).prefetch_related("variants")

    def get_readonly_fields(self, request, obj=None):
        names = super().get_readonly_fields(request, obj)
        return (*names, *Experiment.FIXED) if _has_begun(obj) else names

    def get_formset_kwargs(self, request, obj, inline, prefix) -> dict[str, Any]:
        """Prefills a new experiment with two variants."""
        options = super().get_formset_kwargs(request, obj, inline, prefix)
        if request.method == "GET" and obj.pk is None:
            options["initial"] = [{"name": CONTROL}, {"name": "treatment"}]
        return options

    def has_delete_permission(self, request, obj=None) -> bool:
        """A started experiment stays, because slates refer to it."""
        return super().has_delete_permission(request, obj) and not _has_begun(obj)

    def save_related(self, request, form, formsets, change) -> None:
        super().save_related(request, form, formsets, change)
        experiments.forget()

    @admin.display(description="variants")
    def divided(self, experiment: Experiment) -> str:
        weights = {variant.name: variant.weight for variant in experiment.variants.all()}
        total = sum(weights.values())
        return ", ".join(f"{name} {weight / total:.0%}" for name, weight in weights.items()) or "—"

    @admin.display(description="what came of it")
    def report(self, experiment: Experiment) -> str:
        if not experiment.pk:
            return "—"
        return format_html('<a href="{}">Result so far</a>', link_to_page(experiment, "result"))
