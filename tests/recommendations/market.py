"""A market to train encoders on: three kinds of things, each with words and a look of its own."""

import functools
from datetime import datetime
from decimal import Decimal

from PIL import Image

from listings.batches.listings import ListingRow, upsert_batch
from listings.batches.photos import PhotoRow, upsert_photos
from listings.models import Listing
from listings.photos import processing
from ml.encoder.head_modules import HeadOptions
from recommendations.training.encoder_dataset import is_held_out
from tests.recommendations.pictures import saved, scene

# Noun, and the colour that photos have a tint of. Nothing tells the full categories of a root apart.
KINDS = {"Home & Garden": ("sofa", "navy"), "Sports": ("bicycle", "green"), "DIY Tools": ("drill", "orange")}
PARTS = ("Bargains", "Antiques", "Rarities", "Oddments")  # a small market has the first two of each root
MANNERS = ("blue velvet", "old leather", "folding", "children's", "large wooden", "slightly used")
TAUGHT, JUDGES = 60, 33
MANY_JUDGES = 120  # enough for the gate of encoders, in twelve categories
PHOTO_COUNTS = (1, 2, 1, 1, 0)  # of five listings that follow each other
QUICK = HeadOptions(photo_hidden=32, text_hidden=32, epochs=3, seed=5)


def open_market(now: datetime) -> list[Listing]:
    """Ninety-three listings with about as many photos; too few judge to refuse an encoder."""
    listings = advertise(now)
    _add_photos(listings)
    return listings


def open_large_market(now: datetime) -> list[Listing]:
    """The same with more that judge, without photos, and four categories of each root instead of two."""
    listings = advertise(now, judges=MANY_JUDGES, parts=4)
    _add_photos(listings[: TAUGHT + JUDGES])
    return listings


def advertise(now: datetime, *, judges: int = JUDGES, parts: int = 2) -> list[Listing]:
    """Ninety-three listings or more without photos, of which more than usual judge."""
    ids = _ids(judges)
    upsert_batch(rows=[_row(number, external_id, parts) for number, external_id in enumerate(ids)], now=now)
    return list(Listing.objects.filter(external_id__in=ids).order_by("pk"))


def _add_photos(listings: list[Listing]) -> None:
    rows = [
        PhotoRow(listing.pk, f"photo-{number}-{place}", _received(number, place))
        for number, listing in enumerate(listings)
        for place in range(PHOTO_COUNTS[number % len(PHOTO_COUNTS)])
    ]
    upsert_photos(rows=rows)


def another_photo(listing: Listing) -> None:
    """In the place of the first one."""
    other = processing.receive(saved(scene(999)))
    upsert_photos(rows=[PhotoRow(listing.pk, listing.photos.earliest("position").external_id, other)])


@functools.cache
def _ids(judges: int) -> list[str]:
    """The first that teach, and among and behind them the first that judge."""
    names = [f"advert-{number}" for number in range(2000)]
    teaching = [name for name in names if not is_held_out(name)][:TAUGHT]
    judging = [name for name in names if is_held_out(name)][:judges]
    return sorted(teaching + judging, key=lambda name: int(name.removeprefix("advert-")))


def _row(number: int, external_id: str, parts: int) -> ListingRow:
    root = list(KINDS)[number % 3]
    title = f"{MANNERS[number // 6 % 6]} {KINDS[root][0]}"
    return ListingRow(
        external_id=external_id,
        seller="stallholder",
        title=title,
        description=f"We sell our {title} number {number}",
        category=f"{root} / {PARTS[number // 3 % parts]}",
        price=Decimal(10 + number),
    )


@functools.cache
def _received(number: int, place: int) -> processing.ReceivedPhoto:
    colour = KINDS[list(KINDS)[number % 3]][1]
    picture = scene(10 * number + place)
    return processing.receive(saved(Image.blend(picture, Image.new("RGB", picture.size, colour), 0.6)))
