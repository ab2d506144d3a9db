"""Loading of adverts into a throwaway database, with their vectors, before any event."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from django.utils import timezone

from benchmarks.feed.log import Log
from benchmarks.feed.photos import read_features
from benchmarks.protocol import say
from benchmarks.stored_adverts import read_listings, store_actors, store_drafts, store_photos
from listings.models import Actor, Listing
from ml.vision.backbone import load_backbone
from recommendations.encoders import selection
from recommendations.encoders.backbones import BackboneChoice
from recommendations.indexing import embedding_jobs
from recommendations.model_registry import publication
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
    rows = read_listings(data, log.lives)
    actors = store_actors({row.seller for row in rows} | {event.actor for event in log.events})
    listings = store_drafts(rows, {name: life.published_at for name, life in log.lives.items()}, actors)
    say(f"{len(listings)} adverts of {len(log.lives)} in the log, {len(actors)} actors")
    backbone = load_backbone(BACKBONE, weights)
    store_photos(data, listings, backbone.version, read_features(data, backbone, cache))
    selection.propose(BackboneChoice(BACKBONE, weights, "the weights that were given"))
    if trained_before is not None:
        _train_encoder(trained_before)
    return Catalogue(listings, actors, _embedded())


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
