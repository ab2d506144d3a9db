"""Listings as pages of the admin show them: a photo, a title, and what is said about them there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from listings.models import Listing
from listings.photos import processing
from recommendations.admin.pages.base import link_to_page


@dataclass(frozen=True)
class Card:
    """notes: lines below the title. is_marked: drawn with a border. shares: bars of label and percentage."""

    listing: Listing
    notes: Sequence[str] = ()
    is_marked: bool = False
    mark: str = ""
    shares: Sequence[tuple[str, int]] = ()

    @property
    def url(self) -> str:
        return link_to_page(self.listing, "story")

    @property
    def picture(self) -> str | None:
        first = next(iter(self.listing.photos.all()), None)
        return processing.url_of(first.file_name, processing.Size.THUMBNAIL) if first else None

    @property
    def price(self) -> str:
        return f"{self.listing.price:,.0f}"


def percentages(shares: Iterable[tuple[str, float]], most: int = 4) -> list[tuple[str, int]]:
    """The largest shares as labels and whole percentages."""
    return [(label, round(100 * share)) for label, share in shares][:most]
