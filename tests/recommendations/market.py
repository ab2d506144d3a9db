"""A market to train encoders on: three kinds of things, each with words and a look of its own."""

import functools
from datetime import datetime
from decimal import Decimal
from itertools import count, islice

from PIL import Image

from listings import photos
from listings.batch import ListingRow, upsert_batch
from listings.models import Listing
from listings.photo_batch import PhotoRow, upsert_photos
from ml.heads import HeadOptions
from recommendations.encoder_material import is_held_out
from tests.recommendations.pictures import saved, scene

# Noun, and the colour that photos have a tint of. Nothing tells the two full categories of a root apart.
KINDS = {"Home & Garden": ("sofa", "navy"), "Sports": ("bicycle", "green"), "DIY Tools": ("drill", "orange")}
HALVES = ("Bargains", "Antiques")
MANNERS = ("blue velvet", "old leather", "folding", "children's", "large wooden", "slightly used")
TAUGHT, JUDGES = 60, 33
PHOTO_COUNTS = (1, 2, 1, 1, 0)  # of five listings that follow each other
QUICK = HeadOptions(photo_hidden=32, text_hidden=32, epochs=3, seed=5)


def open_market(now: datetime) -> list[Listing]:
    """What `advertise` makes, with about as many photos."""
    listings = advertise(now)
    rows = [
        PhotoRow(listing.pk, f"photo-{number}-{place}", _received(number, place))
        for number, listing in enumerate(listings)
        for place in range(PHOTO_COUNTS[number % len(PHOTO_COUNTS)])
    ]
    upsert_photos(rows=rows)
    return listings


def advertise(now: datetime) -> list[Listing]:
    """Ninety-three listings without photos, more than usual of which judge."""
    upsert_batch(rows=[_row(number, external_id) for number, external_id in enumerate(_ids())], now=now)
    return list(Listing.objects.filter(external_id__in=_ids()).order_by("pk"))


def another_photo(listing: Listing) -> None:
    """In the place of the first one."""
    other = photos.receive(saved(scene(999)))
    upsert_photos(rows=[PhotoRow(listing.pk, listing.photos.earliest("position").external_id, other)])


@functools.cache
def _ids() -> list[str]:
    """One that judges after each two that teach, while there are any."""
    named = [f"advert-{number}" for number in islice(count(), 1000)]
    taught = [name for name in named if not is_held_out(name)][:TAUGHT]
    judges = [name for name in named if is_held_out(name)][:JUDGES]
    return sorted(taught + judges, key=lambda name: int(name.removeprefix("advert-")))


def _row(number: int, external_id: str) -> ListingRow:
    root = list(KINDS)[number % 3]
    title = f"{MANNERS[number // 6 % 6]} {KINDS[root][0]}"
    return ListingRow(
        external_id=external_id,
        seller="stallholder",
        title=title,
        description=f"We sell our {title} number {number}",
        category=f"{root} / {HALVES[number // 3 % 2]}",
        price=Decimal(10 + number),
    )


@functools.cache
def _received(number: int, place: int) -> photos.ReceivedPhoto:
    colour = KINDS[list(KINDS)[number % 3]][1]
    picture = scene(10 * number + place)
    return photos.receive(saved(Image.blend(picture, Image.new("RGB", picture.size, colour), 0.6)))
