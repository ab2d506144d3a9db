"""What matches a search: by words, by vectors and by photo, each in its own order."""

import logging
from dataclasses import dataclass

import numpy as np
from django.db.models import Count, QuerySet
from django.db.models.functions import Coalesce

from listings.models import Actor, Listing
from ml.arrays import Rows
from recommendations import encoding, fulltext, replica, standing
from recommendations.classification import EncoderAway
from recommendations.encoded import Encoded
from recommendations.encoding import EncodingUnavailable
from recommendations.filters import Filters, allowed_rows, listings_passing
from recommendations.interaction_weights import UNWANTED
from recommendations.replica import NotReady
from recommendations.taste import merged_ids
from recommendations.view import View
from recommendations.wanted import Wanted

DEPTH = 2000  # listings by words: the last page that can be asked for, and enough to count facets over
NEIGHBOURS = 200  # listings by vectors, which always find something: what lies farther says little

Rankings = dict[str, Rows]  # source -> keys of listings (m,) int64, best first
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """What is asked of the catalogue: it stays the same while filters are tried."""

    words: str
    has_photo: bool
    is_silent: bool  # words that say nothing: they find nothing, rather than everything
    view: View | None
    encoded: Encoded | None
    not_of: int | None  # whose own listings are left out
    unwanted: frozenset[int]  # listings that the actor hid or reported
    degraded: tuple[str, ...] = ()

    def match(self, filters: Filters) -> Rankings:
        """Who passes the filters and matches, by source. Raises NoSuchCategory."""
        if self.is_silent:
            return {}
        if not self.words and not self.has_photo:
            newest = listings_passing(filters, self.not_of).order_by("-created_at", "-pk")
            return {"newest": self._wanted(list(newest.values_list("pk", flat=True)[:DEPTH]))}
        rankings = {"words": self._by_words(filters)} if self.words else {}
        return rankings | self._by_vectors(filters, rankings.get("words", _none()))

    def matching(self, filters: Filters, rankings: Rankings) -> QuerySet[Listing]:
        """The active listings that match: all that pass where neither words nor a photo were asked for, else
        those that the sources found: at most DEPTH by words, and NEIGHBOURS by vectors."""
        if not self.words and not self.has_photo and not self.is_silent:
            return listings_passing(filters, self.not_of).exclude(pk__in=self.unwanted)
        found = np.unique(np.concatenate([_none(), *rankings.values()])).tolist()
        return Listing.objects.filter(pk__in=found, status=Listing.Status.ACTIVE)

    def _by_words(self, filters: Filters) -> Rows:
        return self._wanted(fulltext.find(self.words, filters, limit=DEPTH, not_of=self.not_of))

    def _wanted(self, found: list[int]) -> Rows:
        return np.array([pk for pk in found if pk not in self.unwanted], np.int64)

    def _by_vectors(self, filters: Filters, found: Rows) -> Rankings:
        """By the whole query, and by the photo alone, where each listing's best photo speaks for it."""
        if self.encoded is None:
            return {}
        view, vector = self.view, self.encoded.vector
        allowed = allowed_rows(view, filters, without=self.unwanted, not_of=self.not_of)
        weights = view.comparison.blocks.query_weights(vector)
        rows, scores = view.nearest(vector, NEIGHBOURS, allowed, weights)
        ids = view.attributes["listing_id"][rows]
        if not self.has_photo:
            near = scores >= view.comparison.blocks.least_likeness
            return {"vectors": ids[near | np.isin(ids, found)]}
        by_photo, _ = view.nearest_by_photo(self.encoded.photo, NEIGHBOURS, allowed)
        return {"vectors": ids, "photo": view.attributes["listing_id"][by_photo]}


def pose(wanted: Wanted, *, photo: bytes | None, actor: Actor | None) -> Question:
    """The question, encoded if that can be done; what could not is named in `degraded`.

    Raises EncoderAway and NotReady where nothing but a photo is asked with.
    """
    words = wanted.words if wanted.says_something else ""
    view, encoded, degraded = _encoded(words, photo)
    return Question(
        words=words,
        has_photo=photo is not None,
        is_silent=bool(wanted.words) and not words and photo is None,
        view=view,
        encoded=encoded,
        not_of=actor and actor.pk,
        unwanted=unwanted_by(actor),
        degraded=degraded,
    )


def _encoded(words: str, photo: bytes | None) -> tuple[View | None, Encoded | None, tuple[str, ...]]:
    """The view, and the query in its space; with neither, full text finds what it can."""
    view, asks = _view_if_ready(), bool(words or photo)
    if view is None and photo and not words:
        raise NotReady("Photos cannot be compared yet; try again in a moment.")
    if view is None or not asks:
        return view, None, ("catalogue",) if asks else ()
    try:
        encoded = encoding.encode(words=words, photo=photo)
    except EncodingUnavailable as error:
        return view, None, _without_encoder(words, str(error))
    if encoded.encoder_version != view.encoder_version:
        return view, None, _without_encoder(words, "The encoder is being switched.")
    return view, encoded, ()


def _view_if_ready() -> View | None:
    try:
        return replica.view()
    except NotReady:
        return None


def _without_encoder(words: str, why: str) -> tuple[str, ...]:
    logger.info("Searched without vectors: %s", why)
    if not words:
        raise EncoderAway
    return ("encoder",)


def unwanted_by(actor: Actor | None) -> frozenset[int]:
    """What this actor, or a visitor merged into them, has hidden or reported: keys of listings."""
    if actor is None:
        return frozenset()
    hidden = standing.of(merged_ids(actor)).filter(kind__in=UNWANTED)
    return frozenset(hidden.values_list("listing_id", flat=True))


def count_by_root(matching: QuerySet[Listing]) -> dict[str, int]:
    """How many of these listings lie in each root category, most first."""
    root = Coalesce("category__root__path", "category__path")
    counts = matching.values_list(root).annotate(count=Count("pk")).order_by("-count", root)
    return dict(counts)


def _none() -> Rows:
    return np.empty(0, np.int64)
