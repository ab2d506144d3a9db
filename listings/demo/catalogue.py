"""The demo catalogue: drawn listings with text, prices, places and sellers, written by the batch services."""

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from random import Random

from django.conf import settings

from listings.announcing import catalogue_transaction
from listings.batches.listings import ListingRow, upsert_batch
from listings.batches.photos import PhotoRow, upsert_photos
from listings.demo.drawings import draw
from listings.demo.kinds import KINDS
from listings.demo.words import CONDITION_SHARES, CONDITIONS, description_of, noun_of, title_of
from listings.models import Photo, Place
from listings.photos import processing
from listings.places import load_gazetteer

SELLER_COUNT = 160
TOWN_COUNT = 80
DAYS = 14  # age of the oldest listing
CHUNK_THINGS = 60
MAXIMUM_PHOTOS = 3


@dataclass(frozen=True)
class Thing:
    """One thing for sale. Its text and its photos are functions of these fields."""

    external_id: str
    kind: str
    colour: str
    variant: str
    condition: str
    form: int
    photo_count: int

    @property
    def photo_ids(self) -> list[str]:
        return [f"{self.external_id}-{number}" for number in range(1, self.photo_count + 1)]


def things(count: int, seed: int) -> Iterator[Thing]:
    """The first `count` things of an endless series, kinds equally frequent. Each seed has its own series."""
    prefix = "demo" if seed == 1 else f"demo-{seed}"
    for number in range(1, count + 1):
        rng = Random(f"{seed} {number}")
        kind = list(KINDS.values())[number % len(KINDS)]
        yield Thing(
            external_id=f"{prefix}-{number:04d}",
            kind=kind.name,
            colour=rng.choice(kind.colours),
            variant=rng.choice(kind.variants),
            condition=rng.choices(list(CONDITIONS), CONDITION_SHARES)[0],
            form=rng.getrandbits(32),
            photo_count=rng.randint(1, MAXIMUM_PHOTOS),
        )


def draw_catalogue(*, count: int, seed: int, now: datetime, advance: Callable[[int], object]) -> None:
    """Publish `count` drawn things. A second run creates and draws only what is missing.

    `advance` is called after each chunk with the number of things in it.
    """
    towns, series = _towns(), things(count, seed)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        while chunk := list(islice(series, CHUNK_THINGS)):
            _publish(chunk, towns, now, threads)
            advance(len(chunk))


def _publish(chunk: list[Thing], towns: list[Place], now: datetime, threads: Executor) -> None:
    drawn = list(threads.map(lambda pair: (*pair, _photo(*pair)), _not_stored(chunk)))
    with catalogue_transaction():
        results = upsert_batch(rows=[listing_row(thing, towns, now) for thing in chunk], now=now)
        keys = {result.external_id: result.listing_id for result in results}
        rows = [
            PhotoRow(listing_id, photo_id, received)
            for thing, photo_id, received in drawn
            if (listing_id := keys[thing.external_id])
        ]
        upsert_photos(rows=rows)


def _not_stored(chunk: list[Thing]) -> list[tuple[Thing, str]]:
    pairs = [(thing, photo_id) for thing in chunk for photo_id in thing.photo_ids]
    photo_ids = [photo_id for _, photo_id in pairs]
    stored = set(Photo.objects.filter(external_id__in=photo_ids).values_list("external_id", flat=True))
    return [(thing, photo_id) for thing, photo_id in pairs if photo_id not in stored]


def _photo(thing: Thing, photo_id: str) -> processing.ReceivedPhoto:
    """One photo of the thing. Pose, scene and light depend on the photo's id."""
    picture = draw(thing.kind, thing.colour, Random(photo_id), variant=thing.variant, form=thing.form)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    return processing.receive(buffer.getvalue())


def listing_row(thing: Thing, towns: list[Place], now: datetime) -> ListingRow:
    """The listing of a thing. Its town is drawn with a weight of the square root of the population."""
    rng = Random(thing.external_id)
    noun = noun_of(thing.kind, thing.variant)
    place = rng.choices(towns, [(town.population or 1) ** 0.5 for town in towns])[0]
    return ListingRow(
        external_id=thing.external_id,
        seller=f"demo-seller-{rng.randint(1, SELLER_COUNT):03d}",
        title=title_of(noun, thing.colour, thing.condition, rng),
        category=KINDS[thing.kind].category,
        price=_price(thing, rng),
        description=description_of(thing.kind, noun, thing.colour, thing.condition, rng),
        condition=thing.condition,
        place=place,
        latitude=place.latitude,
        longitude=place.longitude,
        created_at=now - timedelta(days=DAYS * rng.random()),
    )


def _price(thing: Thing, rng: Random) -> Decimal:
    """A price log-uniform between the kind's bounds, reduced for wear and rounded to 1 or 5."""
    low, high = KINDS[thing.kind].price
    price = low * (high / low) ** rng.random() * CONDITIONS[thing.condition][2]
    step = 1 if price < 20 else 5
    return Decimal(max(1, round(price / step)) * step)


def _towns() -> list[Place]:
    towns = Place.objects.filter(country=settings.ENVIRONMENT.country, population__isnull=False)
    if not towns.exists():
        load_gazetteer(settings.ENVIRONMENT.country)
    return list(towns.order_by("-population", "name", "pk")[:TOWN_COUNT])
