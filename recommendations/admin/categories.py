"""Admin mixin that suggests categories for a listing: a button beside the field, and its endpoint."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from listings.errors import DomainError, Unavailable
from listings.models import Category, Photo
from listings.photos import processing
from listings.photos.uploads import read_photo
from recommendations.encoders.categories import DESCRIPTION_READ, suggest_categories

URL_NAME = "listings_listing_suggest_category"


class CategorySuggestionMixin(admin.ModelAdmin):
    """Mixin of the admin of listings. The form works without suggestions, which only fill in a field."""

    class Media:
        js = ("recommendations/suggest_category.js",)
        css = {"all": ("recommendations/suggest_category.css",)}

    def get_urls(self):
        view = self.admin_site.admin_view(self.suggest_category)
        return [path("suggest-category/", view, name=URL_NAME), *super().get_urls()]

    def formfield_for_foreignkey(self, db_field, request, **options):
        field = super().formfield_for_foreignkey(db_field, request, **options)
        if db_field.name == "category" and field is not None:
            listing_id = request.resolver_match.kwargs.get("object_id", "")
            field.help_text = format_html(
                '<button type="button" class="button suggest-category" data-url="{}" data-listing="{}">'
                "Suggest category</button>",
                reverse(f"admin:{URL_NAME}"),
                listing_id,
            )
        return field

    @method_decorator(require_POST)
    def suggest_category(self, request: HttpRequest) -> JsonResponse:
        """The most probable existing categories as JSON, or a message with the reason for none."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        text = f"{request.POST.get('title', '')} {request.POST.get('description', '')[:DESCRIPTION_READ]}"
        try:
            suggested = suggest_categories(words=text, photo=_photo(request))
        except DomainError as error:
            return JsonResponse(
                {"message": error.detail}, status=503 if isinstance(error, Unavailable) else 400
            )
        return JsonResponse({"suggestions": _chosen_from(suggested.leaves or suggested.roots)})


def _photo(request: HttpRequest) -> bytes | None:
    """The photo that is being added, or else the first photo of the listing."""
    if upload := request.FILES.get("add_photo"):
        return read_photo(upload)
    listing_id = request.POST.get("listing", "")
    if not listing_id.isdecimal():
        return None
    first = Photo.objects.filter(listing=int(listing_id)).order_by("position").first()
    if first is None:
        return None
    try:
        return processing.path_of(first.file_name, processing.Size.MEDIUM).read_bytes()
    except FileNotFoundError:
        return None


def _chosen_from(suggestions) -> list[dict]:
    """The suggestions that exist as categories, in the shape that the form reads."""
    paths = [suggestion.path for suggestion in suggestions]
    keys = dict(Category.objects.filter(path__in=paths).values_list("path", "pk"))
    return [
        {"category": keys[each.path], "path": each.path, "probability": each.probability}
        for each in suggestions
        if each.path in keys
    ]
