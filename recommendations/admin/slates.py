"""Admin mixin of slates: the listings in order, with reasons, propensities and features."""

from django.contrib import admin
from django.utils.html import format_html, format_html_join

from listings.admin.base import StaffAdmin
from recommendations.admin.copies import link_to
from recommendations.models.slates import Slate
from recommendations.slates.audit import AuditedPlace, audit_slate

TABLE_HEAD = ("place", "listing", "status", "reason", "propensity")


class BaseSlateAdmin(StaffAdmin):
    """Admin of slates. The page of a slate shows its listings in order."""

    list_display = ("created_at", "surface", "actor", "length", "id")
    list_filter = ("surface", "created_at")
    list_select_related = ("actor",)
    search_fields = ("actor__external_id",)
    ordering = ("-created_at",)
    readonly_fields = ("order", "served", "gone")
    exclude = ("listing_ids", "features", "propensities", "reasons", "feature_names")

    @admin.display(description="listings")
    def length(self, slate: Slate) -> int:
        return len(slate.listing_ids)

    @admin.display(description="in order")
    def order(self, slate: Slate) -> str:
        rows = ((_row(place),) for place in audit_slate(slate.pk.hex).places)
        head = format_html_join("", "<th>{}</th>", ((name,) for name in TABLE_HEAD))
        return format_html("<table><tr>{}</tr>{}</table>", head, format_html_join("", "<tr>{}</tr>", rows))

    @admin.display(description="served")
    def served(self, slate: Slate) -> str:
        pages = audit_slate(slate.pk.hex).pages
        return "; ".join(f"{offset + 1} to {offset + count}" for offset, count, _ in pages) or "—"

    @admin.display(description="gone since")
    def gone(self, slate: Slate) -> str:
        return " ".join(audit_slate(slate.pk.hex).gone) or "—"


def _row(place: AuditedPlace) -> str:
    listing = place.listing
    features = ", ".join(f"{name} {value:.4g}" for name, value in place.features.items())
    propensity = "—" if place.propensity is None else f"{place.propensity:.3g}"
    name = f"deleted ({place.listing_id})" if listing is None else link_to(listing)
    label = format_html("{}<br><small>{}</small>", name, features)  # a column of features would be cut off
    cells = (place.number, label, listing.status if listing else "—", place.reason or "—", propensity)
    return format_html_join("", "<td>{}</td>", ((cell,) for cell in cells))
