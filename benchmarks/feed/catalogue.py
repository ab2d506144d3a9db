"""Loading of adverts into a throwaway database, with their vectors, before any event."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.feed.log import Log
from benchmarks.protocol import say
from benchmarks.stored_adverts import (
    embed_all,
    read_listings,
    store_actors,
    store_drafts,
    store_features,
    train_encoder,
)
from listings.models import Actor, Listing
from recommendations.encoders import selection
from recommendations.replica import follower
from recommendations.replica.snapshot import CatalogueSnapshot

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
    store_features(data, listings, weights, cache)
    if trained_before is not None:
        Listing.objects.filter(created_at__lt=trained_before).update(status=Listing.Status.ACTIVE)
        train_encoder(trained_before)
    return Catalogue(listings, actors, _embedded())


def _embedded() -> CatalogueSnapshot:
    """Embed all listings and take a snapshot while all are on the market, then make them drafts again."""
    Listing.objects.update(status=Listing.Status.ACTIVE)
    embed_all()
    whole = follower.from_table(selection.active_encoder())
    Listing.objects.update(status=Listing.Status.DRAFT, updated_at=LONG_AGO)
    return whole
