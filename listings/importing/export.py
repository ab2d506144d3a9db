"""Export of listings in the format of the batch endpoint."""

from collections.abc import Iterator

from listings.models import Listing

CHUNK_ROWS = 2000


def exported_listings() -> Iterator[dict[str, object]]:
    """Every listing of any status, in the order of creation.

    For the operator, not for the public: coordinates are exact, and drafts are included.
    """
    listings = Listing.objects.select_related("seller", "category", "place").order_by("pk")
    return (_exported(listing) for listing in listings.iterator(chunk_size=CHUNK_ROWS))


def _exported(listing: Listing) -> dict[str, object]:
    return {
        "external_id": listing.external_id,
        "seller": listing.seller.external_id,
        "title": listing.title,
        "description": listing.description,
        "price": str(listing.price),
        "condition": listing.condition,
        "category": listing.category.path,
        "place": str(listing.place) if listing.place else None,
        "latitude": listing.latitude,
        "longitude": listing.longitude,
        "status": listing.status,
        "source_version": listing.source_version,
        "created_at": listing.created_at.isoformat(),
    }
