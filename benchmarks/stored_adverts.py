"""Adverts of a folder in a throwaway database, read as the importer does, with features of their photos."""

from collections.abc import Container, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from benchmarks import installation  # noqa: F401  first: it sets Django up
from benchmarks.feed.photos import read_features
from benchmarks.protocol import say
from listings import places
from listings.batches.listings import ListingRow
from listings.categories import tree
from listings.importing import cleaning
from listings.importing.adverts import BadRow, ImportOptions, read_listing
from listings.importing.files import open_photos
from listings.models import Actor, Listing, Photo, Place
from listings.row_files.reading import read_rows
from listings.row_files.rows import Row
from ml.vision.backbone import load_backbone
from recommendations.encoders import selection
from recommendations.encoders.backbones import BackboneChoice
from recommendations.indexing import embedding_jobs
from recommendations.model_registry import publication
from recommendations.models.embeddings import PhotoFeatures
from recommendations.training import encoder

BACKBONE = "mobilenet_v2"
PRODUCT_COLUMNS = frozenset({"id", "product_name", "category", "product_description", "price", "location"})
IMAGE_COLUMNS = frozenset({"id", "product_id"})


def read_listings(data: Path, wanted: Container[str] | None = None) -> list[ListingRow]:
    """The adverts of a folder that the importer would take. wanted: external ids; None: all."""
    rows = list(read_rows(data / "Products.csv", PRODUCT_COLUMNS))
    environment = settings.ENVIRONMENT
    options = ImportOptions(environment.maximum_price, environment.country, environment.currency)
    locations = {cleaning.clean_cell(str(row.cells.get("location", ""))) for row in rows} - {""}
    placed = _placed(locations, options.country)
    adverts = {}
    for row in rows:
        advert = _advert(row, options, placed)
        if advert is not None and (wanted is None or advert.external_id in wanted):
            adverts.setdefault(advert.external_id, advert)
    return list(adverts.values())


def _advert(row: Row, options: ImportOptions, placed: dict[str, Place | None]) -> ListingRow | None:
    try:
        return None if row.problem else read_listing(row.cells, options, placed)
    except BadRow:
        return None


def _placed(locations: set[str], country: str) -> dict[str, Place | None]:
    if not Place.objects.filter(country=country).exists():
        places.load_gazetteer(country)
    return places.place_locations(locations, country)


def store_actors(external_ids: set[str]) -> dict[str, Actor]:
    """New actors by their external ids."""
    made = Actor.objects.bulk_create([Actor(external_id=name) for name in sorted(external_ids)], 2000)
    return {actor.external_id: actor for actor in made}


@transaction.atomic
def store_drafts(
    rows: list[ListingRow], published_at: Mapping[str, datetime], actors: dict[str, Actor]
) -> dict[str, Listing]:
    """Store drafts that were created at these times. Both mappings are by external id."""
    categories = {path: tree.ensure_category(path) for path in {row.category for row in rows}}
    drafts = [
        Listing(
            external_id=row.external_id,
            seller=actors[row.seller],
            title=row.title,
            description=row.description,
            price=row.price,
            category=categories[row.category],
            place=row.place,
            latitude=row.latitude,
            longitude=row.longitude,
            created_at=published_at[row.external_id],
        )
        for row in rows
    ]
    return {made.external_id: made for made in Listing.objects.bulk_create(drafts, batch_size=1000)}


def store_features(data: Path, listings: dict[str, Listing], weights: Path, cache: Path | None) -> None:
    """Store photos by the features of MobileNetV2, and choose it as the backbone of the encoder."""
    backbone = load_backbone(BACKBONE, weights)
    store_photos(data, listings, backbone.version, read_features(data, backbone, cache))
    selection.propose(BackboneChoice(BACKBONE, weights, "the weights that were given"))


def train_encoder(now: datetime) -> None:
    """Train the heads on what is on the market, and activate them at once, since nothing is embedded yet."""
    publication.activate(encoder.train_encoder(now=now, force=True))
    say("Encoder trained")


def embed_all() -> None:
    """Embed every listing on the market by the real code."""
    embedding_jobs.request_missing()
    say(f"Embedding: {embedding_jobs.embed_claimed_batches(clock=timezone.now)}")


@transaction.atomic
def store_photos(
    data: Path, listings: dict[str, Listing], backbone: str, features: dict[str, np.ndarray]
) -> None:
    """Store photos by their features alone. Their hashes are made up, so that none is a copy of another."""
    name_of = {Path(name).stem: name for name in open_photos(data).names()}
    photos: dict[str, Photo] = {}
    counts: dict[str, int] = {}
    for row in read_rows(data / "Images.csv", IMAGE_COLUMNS):
        image, owner = (str(row.cells.get(column, "")).strip() for column in ("id", "product_id"))
        if image in name_of and owner in listings and image not in photos:
            position = counts[owner] = counts.get(owner, -1) + 1
            photos[image] = _photo(listings[owner], image, position, name_of[image])
    stored = Photo.objects.bulk_create(photos.values(), batch_size=1000)
    PhotoFeatures.objects.bulk_create(
        [
            PhotoFeatures(
                photo=photo, backbone=backbone, features=features[photo.external_id].astype("<f2").tobytes()
            )
            for photo in stored
        ],
        batch_size=1000,
    )


def _photo(listing: Listing, image: str, position: int, name: str) -> Photo:
    digest = sha256(image.encode()).hexdigest()
    return Photo(
        listing=listing,
        external_id=image,
        position=position,
        file=name,
        sha256=digest,
        perceptual_hash=digest[:16],
        width=1,
        height=1,
    )
