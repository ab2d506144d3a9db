"""Loading of adverts into a throwaway database, with their vectors, before any event."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from benchmarks.feed.log import Log
from benchmarks.feed.photos import read_features
from benchmarks.protocol import say
from listings import places, services
from listings.batches.listings import ListingRow
from listings.importing import cleaning
from listings.importing.csv_import import IMAGE_COLUMNS, PRODUCT_COLUMNS, BadRow, ImportOptions, read_listing
from listings.importing.files import CsvRow, open_photos, read_rows
from listings.models import Actor, Listing, Photo, Place
from ml.vision.backbone import load_backbone
from recommendations.encoders import selection
from recommendations.encoders.backbones import BackboneChoice
from recommendations.indexing import embedding_jobs
from recommendations.model_registry import publication
from recommendations.models.embeddings import PhotoFeatures
from recommendations.replica import follower
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.training import encoder

BACKBONE = "mobilenet_v2"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Catalogue:
    """All listings that the log names, in the database as drafts.

    listings: external id -> Listing. whole: a snapshot in which all of them are on the market.
    """

    listings: dict[str, Listing]
    actors: dict[str, Actor]
    whole: CatalogueSnapshot

    @cached_property
    def row_of(self) -> dict[str, int]:
        """External id -> row of the snapshot."""
        rows = self.whole.rows_of(np.array([listing.pk for listing in self.listings.values()]))
        return dict(zip(self.listings, rows.tolist(), strict=True))


def load(
    data: Path, log: Log, weights: Path, *, trained_before: datetime | None, cache: Path | None
) -> Catalogue:
    """Load the adverts that the log names as the importer does, and embed them by the real code.

    trained_before: train the encoder's heads, as `train encoder` does, on listings published before then;
    None: use the encoder of a new installation.
    """
    rows = _read_adverts(data, log)
    actors = _actors({row.seller for row in rows} | {event.actor for event in log.events})
    listings = _stored(rows, log, actors)
    say(f"{len(listings)} adverts of {len(log.lives)} in the log, {len(actors)} actors")
    backbone = load_backbone(BACKBONE, weights)
    _store_photos(data, listings, backbone.version, read_features(data, backbone, cache))
    selection.propose(BackboneChoice(BACKBONE, weights, "the weights that were given"))
    if trained_before is not None:
        _train_encoder(trained_before)
    return Catalogue(listings, actors, _embedded())


def _read_adverts(data: Path, log: Log) -> list[ListingRow]:
    rows = list(read_rows(data / "Products.csv", PRODUCT_COLUMNS))
    options = ImportOptions(settings.ENVIRONMENT.maximum_price, settings.ENVIRONMENT.country)
    locations = {cleaning.clean_cell(row.cells.get("location", "")) for row in rows} - {""}
    placed = _placed(locations, options.country)
    adverts = {}
    for row in rows:
        advert = _advert(row, options, placed)
        if advert is not None and advert.external_id in log.lives:
            adverts.setdefault(advert.external_id, advert)
    return list(adverts.values())


def _advert(row: CsvRow, options: ImportOptions, placed: dict[str, Place | None]) -> ListingRow | None:
    try:
        return None if row.problem else read_listing(row.cells, options, placed)
    except BadRow:
        return None


def _placed(locations: set[str], country: str) -> dict[str, Place | None]:
    if not Place.objects.filter(country=country).exists():
        places.load_gazetteer(country)
    return places.place_locations(locations, country)


def _actors(external_ids: set[str]) -> dict[str, Actor]:
    made = Actor.objects.bulk_create([Actor(external_id=name) for name in sorted(external_ids)], 2000)
    return {actor.external_id: actor for actor in made}


@transaction.atomic
def _stored(rows: list[ListingRow], log: Log, actors: dict[str, Actor]) -> dict[str, Listing]:
    """Store drafts whose time of creation is their time of publication in the log."""
    categories = {path: services.ensure_category(path) for path in {row.category for row in rows}}
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
            created_at=log.lives[row.external_id].published_at,
        )
        for row in rows
    ]
    return {made.external_id: made for made in Listing.objects.bulk_create(drafts, batch_size=1000)}


@transaction.atomic
def _store_photos(
    data: Path, listings: dict[str, Listing], backbone: str, features: dict[str, np.ndarray]
) -> None:
    """Store photos by their features alone. Their hashes are made up, so that none is a copy of another."""
    name_of = {Path(name).stem: name for name in open_photos(data).names()}
    photos: dict[str, Photo] = {}
    counts: dict[str, int] = {}
    for row in read_rows(data / "Images.csv", IMAGE_COLUMNS):
        image, owner = (row.cells.get(column, "").strip() for column in ("id", "product_id"))
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


def _train_encoder(before: datetime) -> None:
    """Train on listings published before, and activate at once, since nothing is embedded yet."""
    Listing.objects.filter(created_at__lt=before).update(status=Listing.Status.ACTIVE)
    publication.activate(encoder.train_encoder(now=before, force=True))
    say("Encoder trained")


def _embedded() -> CatalogueSnapshot:
    """Embed all listings and take a snapshot while all are on the market, then make them drafts again."""
    Listing.objects.update(status=Listing.Status.ACTIVE)
    embedding_jobs.request_missing()
    counts = embedding_jobs.embed_claimed_batches(clock=timezone.now)
    say(f"Embedding: {counts}")
    whole = follower.from_table(selection.active_encoder())
    Listing.objects.update(status=Listing.Status.DRAFT, updated_at=LONG_AGO)
    return whole
