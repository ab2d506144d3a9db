"""Retrieval for search: one ranking each by full text, by vectors and by photo."""

import logging
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.db.models import QuerySet

from listings.models import Actor, Listing
from ml.arrays import Rows
from recommendations.encoders import query_client
from recommendations.encoders.encoded_query import EncodedQuery
from recommendations.encoders.query_client import EncoderUnreachable, EncodingUnavailable
from recommendations.interactions.retractions import unwanted_by
from recommendations.query_parsing.parsed_query import ParsedQuery
from recommendations.query_parsing.wording import Wording
from recommendations.replica import follower
from recommendations.replica.follower import ReplicaNotReady
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval.filters import Filters, allowed_rows, listings_passing
from recommendations.search import fulltext

DEPTH = 2000  # listings by words: enough for the last page and for facet counts
NEIGHBOURS = 200  # listings by vectors, which always find something: farther ones are hardly relevant

Rankings = dict[str, Rows]  # source -> keys of listings (m,) int64, best first
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Matches:
    """Listings that match and pass the filters, by source.

    whole: those by words that support everything that was asked for, (m,) int64.
    """

    rankings: Rankings
    whole: Rows = field(default_factory=lambda: _no_listings())

    @property
    def ids(self) -> Rows:
        """All of them, (m,) int64."""
        return np.unique(np.concatenate([_no_listings(), *self.rankings.values()]))


@dataclass(frozen=True)
class PreparedQuery:
    """An encoded search query without its filters, which `match` takes."""

    words: str
    wording: Wording
    now: datetime
    has_photo: bool
    has_only_stop_words: bool  # only stop words were sent: these match nothing, rather than everything
    snapshot: CatalogueSnapshot | None
    encoded: EncodedQuery | None
    excluded_seller_id: int | None  # key of the actor, whose own listings are left out
    unwanted: frozenset[int]  # listings that the actor hid or reported
    degraded: tuple[str, ...] = ()

    def match(self, filters: Filters) -> Matches:
        """Listings that match and pass the filters. Raises NoSuchCategory."""
        if self.has_only_stop_words:
            return Matches({})
        if not self.words and not self.has_photo:
            newest = listings_passing(filters, self.excluded_seller_id).order_by("-created_at", "-pk")
            return Matches(
                {"newest": self._without_unwanted(list(newest.values_list("pk", flat=True)[:DEPTH]))}
            )
        if not self.words:
            return Matches(self._by_vectors(filters, _no_listings()))
        found = fulltext.find(
            self.wording, filters, limit=DEPTH, now=self.now, excluded_seller=self.excluded_seller_id
        )
        by_words = self._without_unwanted(found.listing_ids)
        whole = self._without_unwanted(found.listing_ids[: found.whole_count])
        return Matches({"words": by_words} | self._by_vectors(filters, by_words), whole)

    def matching(self, filters: Filters, matches: Matches) -> QuerySet[Listing]:
        """The active listings that match.

        With words or a photo these are the listings of the rankings: at most DEPTH by words and NEIGHBOURS
        by vectors. With filters alone they are all that pass.
        """
        if not self.words and not self.has_photo and not self.has_only_stop_words:
            return listings_passing(filters, self.excluded_seller_id).exclude(pk__in=self.unwanted)
        return Listing.objects.filter(pk__in=matches.ids.tolist(), status=Listing.Status.ACTIVE)

    def _without_unwanted(self, listing_ids: list[int]) -> Rows:
        return np.array([pk for pk in listing_ids if pk not in self.unwanted], np.int64)

    def _by_vectors(self, filters: Filters, by_words: Rows) -> Rankings:
        """Rankings by the vector of the whole query and, with a photo, by the best photo of each listing.

        Without a photo, distant listings are left out unless full text found them too.
        """
        if self.snapshot is None or self.encoded is None:
            return {}
        snapshot, vector = self.snapshot, self.encoded.vector
        allowed = allowed_rows(
            snapshot, filters, excluded_listings=self.unwanted, excluded_seller=self.excluded_seller_id
        )
        weights = snapshot.comparison.blocks.query_weights(vector)
        rows, scores = snapshot.nearest(vector, NEIGHBOURS, allowed, weights)
        ids = snapshot.attributes["listing_id"][rows]
        if not self.has_photo:
            near = scores >= snapshot.comparison.blocks.least_likeness
            return {"vectors": ids[near | np.isin(ids, by_words)]}
        by_photo, _ = snapshot.nearest_by_photo(self.encoded.photo, NEIGHBOURS, allowed)
        return {"vectors": ids, "photo": snapshot.attributes["listing_id"][by_photo]}


def prepare_query(
    query: ParsedQuery, *, photo: bytes | None, actor: Actor | None, now: datetime
) -> PreparedQuery:
    """Encode a query for retrieval. `degraded` names the parts that were not available.

    Raises EncoderUnreachable and ReplicaNotReady for a photo without words.
    """
    words = query.words if query.has_search_words else ""
    snapshot, encoded, degraded = _encoded(words, photo)
    return PreparedQuery(
        words=words,
        wording=query.wording,
        now=now,
        has_photo=photo is not None,
        has_only_stop_words=bool(query.words) and not words and photo is None,
        snapshot=snapshot,
        encoded=encoded,
        excluded_seller_id=None if actor is None else actor.pk,
        unwanted=unwanted_by(actor),
        degraded=degraded,
    )


def _encoded(
    words: str, photo: bytes | None
) -> tuple[CatalogueSnapshot | None, EncodedQuery | None, tuple[str, ...]]:
    """The snapshot, the query as vectors of its encoder, and what is degraded. Full text needs neither."""
    snapshot, needs_encoding = _snapshot_if_ready(), bool(words or photo)
    if snapshot is None and photo and not words:
        raise ReplicaNotReady("Photos cannot be compared yet; try again in a moment.")
    if snapshot is None or not needs_encoding:
        return snapshot, None, ("catalogue",) if needs_encoding else ()
    try:
        encoded = query_client.encode(words=words, photo=photo)
    except EncodingUnavailable as error:
        return snapshot, None, _without_encoder(words, str(error))
    if encoded.encoder_version != snapshot.encoder_version:
        return snapshot, None, _without_encoder(words, "The encoder is being switched.")
    return snapshot, encoded, ()


def _snapshot_if_ready() -> CatalogueSnapshot | None:
    try:
        return follower.snapshot()
    except ReplicaNotReady:
        return None


def _without_encoder(words: str, reason: str) -> tuple[str, ...]:
    """What is degraded then. Raises EncoderUnreachable for a photo without words."""
    logger.info("A search found no vectors for its query and used full text alone: %s", reason)
    if not words:
        raise EncoderUnreachable
    return ("encoder",)


def _no_listings() -> Rows:
    return np.empty(0, np.int64)
