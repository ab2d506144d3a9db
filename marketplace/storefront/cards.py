"""Listings as a page shows them: text for prices, ages and distances, and photos in the sizes that exist."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from django.conf import settings

from listings.models import Actor, Listing, Photo
from listings.photos import processing
from recommendations.interactions.own_listings import favourites_among
from recommendations.slates.results import Item, Page, Reason

EAGER = 4  # cards whose photo is loaded at once: those above the fold
NEAR_KM = 1.0
# What is written before a price; other currencies by their code.
SIGNS = {"GBP": "£", "EUR": "€", "USD": "$", "CAD": "$", "AUD": "$", "NZD": "$", "JPY": "¥", "INR": "₹"}


@dataclass(frozen=True)
class Picture:
    """A photo with its URLs by width, as srcset wants them."""

    photo: Photo
    description: str

    @cached_property
    def urls(self) -> list[tuple[str, int]]:
        """URL and width in pixels of each size, without those that equal a smaller one."""
        by_width: dict[int, str] = {}
        longest = max(self.photo.width, self.photo.height, 1)
        for size, side in sorted(processing.LONGEST_SIDES.items(), key=lambda pair: pair[1]):
            width = round(self.photo.width * min(1.0, side / longest))
            by_width.setdefault(width, processing.url_of(self.photo.file_name, size))
        return [(url, width) for width, url in sorted(by_width.items())]

    @property
    def source(self) -> str:
        return self.urls[0][0]

    @property
    def largest(self) -> str:
        return self.urls[-1][0]

    @property
    def srcset(self) -> str:
        return ", ".join(f"{url} {width}w" for url, width in self.urls)


@dataclass(frozen=True)
class Card:
    """A listing on a page, and where it stands there."""

    listing: Listing
    now: datetime
    reason: Reason | None = None
    distance_km: float | None = None
    slate_id: str | None = None
    position: int | None = None
    is_favourite: bool = False
    is_eager: bool = False
    copy_count: int = 0

    @cached_property
    def pictures(self) -> list[Picture]:
        title = self.listing.title
        photos = list(self.listing.photos.all())
        count = len(photos)
        return [
            Picture(photo, title if count == 1 else f"{title}, photo {number} of {count}")
            for number, photo in enumerate(photos, start=1)
        ]

    @property
    def picture(self) -> Picture | None:
        return self.pictures[0] if self.pictures else None

    @property
    def price(self) -> str:
        return price_text(self.listing.price)

    @property
    def age(self) -> str:
        return age_text(self.now - self.listing.created_at)

    @property
    def distance(self) -> str:
        if self.distance_km is None:
            return ""
        return "close by" if self.distance_km < NEAR_KM else f"{self.distance_km:,.0f} km"

    @property
    def town(self) -> str:
        return self.listing.place.name if self.listing.place else ""

    @property
    def category(self) -> str:
        return self.listing.category.name

    @property
    def is_for_sale(self) -> bool:
        return self.listing.status == Listing.Status.ACTIVE

    @property
    def origin(self) -> str:
        """The query of a link to the listing: the slate and the place that led to it."""
        if not self.slate_id:
            return ""
        place = "" if self.position is None else f"&position={self.position}"
        return f"?slate={self.slate_id}{place}"


def cards_of(page: Page, *, actor: Actor | None, now: datetime, is_first: bool = True) -> list[Card]:
    """The cards of a page of results. is_first: its first photos are above the fold."""
    favourites = favourites_among(actor, [item.listing.pk for item in page.items])
    return [
        _card(item, page.slate_id, place, now, item.listing.pk in favourites, is_first and place < EAGER)
        for place, item in enumerate(page.items)
    ]


def _card(
    item: Item, slate_id: str | None, place: int, now: datetime, is_favourite: bool, is_eager: bool
) -> Card:
    return Card(
        item.listing,
        now,
        reason=item.reason,
        distance_km=item.distance_km,
        slate_id=slate_id,
        position=place if item.position is None else item.position,
        is_favourite=is_favourite,
        is_eager=is_eager,
        copy_count=len(item.copies),
    )


def plain_cards(listings: Iterable[Listing], *, now: datetime) -> list[Card]:
    return [Card(listing, now) for listing in listings]


def favourite_cards(listings: Sequence[Listing], *, actor: Actor | None, now: datetime) -> list[Card]:
    """Cards with their hearts as the actor left them."""
    favourites = favourites_among(actor, [listing.pk for listing in listings])
    return [Card(listing, now, is_favourite=listing.pk in favourites) for listing in listings]


def price_text(price: Decimal) -> str:
    """`£1,200`, and `£4.50` with pence; `Free` for nothing."""
    if not price:
        return "Free"
    currency = settings.ENVIRONMENT.currency
    symbol = SIGNS.get(currency, f"{currency} ")
    return f"{symbol}{price:,.0f}" if price == price.to_integral_value() else f"{symbol}{price:,.2f}"


def age_text(age: timedelta) -> str:
    """`5 minutes`, `3 hours`, `2 days`, `4 weeks`, `3 months`, `2 years`: the largest unit that fits."""
    minutes = max(int(age.total_seconds() // 60), 0)
    for name, length in (("year", 525_600), ("month", 43_800), ("week", 10_080), ("day", 1440), ("hour", 60)):
        if minutes >= length:
            return _counted(minutes // length, name)
    return _counted(minutes, "minute") if minutes else "just now"


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
