"""A marketplace with a past: listings and events at so many hours before or after a moment."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from listings import services
from listings.models import Actor, Listing
from ml.encoder.blocks import Blocks
from recommendations.evaluation import point_in_time
from recommendations.evaluation.point_in_time import HeldOut
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.trained_models import TrainedModel
from recommendations.replica.snapshot import CatalogueSnapshot
from tests import factories

BLOCKS = Blocks()


def words(direction: int) -> np.ndarray:
    """The vector of a listing without photos, whose text is in one of many directions."""
    vector = np.zeros(BLOCKS.dimension, np.float16)
    vector[BLOCKS.slices[2].start + direction] = 1
    return vector


@dataclass
class Past:
    """Listings are by default Alice's and two days old; the snapshot ends ten hours later."""

    seller: Actor
    encoder: TrainedModel
    moment: datetime
    actors: dict[str, Actor] = field(default_factory=dict)

    @property
    def end(self) -> datetime:
        return self.at(10)

    def at(self, hours: float) -> datetime:
        return self.moment + timedelta(hours=hours)

    def actor(self, name: str) -> Actor:
        if name not in self.actors:
            self.actors[name] = Actor.objects.create(external_id=name)
        return self.actors[name]

    def listing(
        self, title: str = "Blue sofa", *, hours: float = -48, direction: int = 0, seller: Actor | None = None
    ) -> Listing:
        made = factories.listing(seller or self.seller, title, created_at=self.at(hours))
        self.embed(made, direction)
        return made

    def embed(self, listing: Listing, direction: int = 0, version: str | None = None) -> None:
        ListingEmbedding.objects.create(
            listing=listing,
            encoder_version=version or self.encoder.version,
            content_version=listing.content_version,
            vector=words(direction).tobytes(),
        )

    def event(self, who: str | Actor, what: Listing, kind: str = "view", *, hours: float) -> None:
        actor = self.actor(who) if isinstance(who, str) else who
        assert factories.event(actor, what, kind, at=self.at(hours)).outcome == "accepted"

    def sell(self, listing: Listing, *, hours: float) -> None:
        services.mark_sold(listing=listing, buyer=None, now=self.at(hours))

    def withdraw(self, listing: Listing, *, hours: float) -> None:
        services.withdraw(listing=listing)
        Listing.objects.filter(pk=listing.pk).update(updated_at=self.at(hours))

    def world(self) -> CatalogueSnapshot:
        return point_in_time.snapshot_at(self.moment, end=self.end)

    def aftermath(self, snapshot: CatalogueSnapshot | None = None, **how) -> HeldOut:
        return point_in_time.read_held_out(snapshot or self.world(), self.moment, end=self.end, **how)


def listings_of(snapshot: CatalogueSnapshot, rows: np.ndarray | None = None) -> list[int]:
    """The listings of these rows, or of all rows."""
    ids = snapshot.attributes["listing_id"]
    return ids.tolist() if rows is None else ids[rows].tolist()
