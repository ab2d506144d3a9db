"""Admin of photo copies: mixins for listings, and thumbnails side by side."""

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q
from django.db.models.query import QuerySet
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from listings.models import Listing, Photo
from listings.photos import processing
from recommendations.models.embeddings import PhotoCopy

MOST_SHOWN = 20
HEIGHT_PX = 120


class UsedBeforeFilter(admin.SimpleListFilter):
    """Filter of listings by whether another seller used one of their photos first."""

    title = "photo used before by another seller"
    parameter_name = "used_before"

    def lookups(self, request, model_admin) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request, queryset: QuerySet[Listing]) -> QuerySet[Listing]:
        conditions: dict[str | None, Q] = {"yes": Q(used_before=True), "no": Q(used_before=False)}
        return queryset.filter(conditions.get(self.value(), Q()))


class PhotoCopiesMixin(admin.ModelAdmin):
    """Mixin of the admin of listings: shows where else their photos are used."""

    def get_queryset(self, request) -> QuerySet[Listing]:
        return with_used_before(super().get_queryset(request))

    def get_list_display(self, request):
        return (*super().get_list_display(request), "is_used_before")

    def get_list_filter(self, request):
        return (*super().get_list_filter(request), UsedBeforeFilter)

    def get_readonly_fields(self, request, obj=None):
        """A listing that is being added has no photos yet."""
        names = super().get_readonly_fields(request, obj)
        return (*names, "shown_elsewhere") if obj else names

    @admin.display(description="Photo used before", ordering="used_before")
    def is_used_before(self, listing: Listing) -> str:
        return "⚠ yes" if listing.used_before else "—"  # type: ignore[attr-defined]  # by with_used_before

    @admin.display(description="Photos shown elsewhere")
    def shown_elsewhere(self, listing: Listing) -> str:
        return copies_of(listing)


def with_used_before(listings: QuerySet[Listing]) -> QuerySet[Listing]:
    """Annotates `used_before`: whether another seller used one of the listing's photos first."""
    foreign = PhotoCopy.objects.filter(photo__listing=OuterRef("pk"), other_seller=True)
    return listings.annotate(used_before=Exists(foreign))


def copies_of(listing: Listing) -> str:
    """HTML: each photo of this listing that another listing shows, beside the other photo and its seller."""
    details = ("photo__listing__seller", "original__listing__seller")
    condition = Q(photo__listing=listing) | Q(original__listing=listing)
    copies = PhotoCopy.objects.filter(condition).select_related(*details).order_by("photo_id")[:MOST_SHOWN]
    rows = ((thumbnail_pair(copy), _description(copy, listing)) for copy in copies)
    return format_html_join("", "<p>{}<br>{}</p>", rows) or "None of its photos is shown elsewhere."


def _description(copy: PhotoCopy, listing: Listing) -> str:
    is_later = copy.photo.listing_id == listing.pk
    other = (copy.original if is_later else copy.photo).listing
    return format_html(
        "{} by {} in {}{}",
        "Shown before" if is_later else "Shown again",
        other.seller.external_id,
        link_to(other),
        ", another seller" if copy.other_seller else ", the same seller",
    )


def link_to(listing: Listing) -> str:
    """HTML: the title, linked to the listing's page in the admin."""
    url = reverse("admin:listings_listing_change", args=[listing.pk])
    return format_html('<a href="{}">{}</a>', url, listing.title)


def thumbnail_pair(copy: PhotoCopy) -> str:
    """HTML: the original and the copy, side by side."""
    return format_html_join(" ", "{}", ((_thumbnail(photo),) for photo in (copy.original, copy.photo)))


def _thumbnail(photo: Photo) -> str:
    return format_html(
        '<img src="{}" alt="" loading="lazy" style="height:{}px;border-radius:4px">',
        processing.url_of(photo.file_name, processing.Size.THUMBNAIL),
        HEIGHT_PX,
    )
