"""The floor that requests are compared with: a bare view that reads listings with their photos by id."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse

from listings.models import Listing

FIELDS = ("external_id", "title", "description", "price", "status", "created_at")
PHOTO_FIELDS = ("external_id", "file", "width", "height")


@login_not_required
def floor(request: HttpRequest) -> JsonResponse:
    """The listings whose ids the query names, as they are."""
    ids = [int(pk) for pk in request.GET["ids"].split(",")]
    listings = Listing.objects.filter(pk__in=ids).prefetch_related("photos")
    return JsonResponse({"items": [_card(listing) for listing in listings]})


def _card(listing: Listing) -> dict[str, Any]:
    card = {name: getattr(listing, name) for name in FIELDS}
    photos = [{name: str(getattr(photo, name)) for name in PHOTO_FIELDS} for photo in listing.photos.all()]
    return {"id": listing.pk, **card, "photos": photos}
