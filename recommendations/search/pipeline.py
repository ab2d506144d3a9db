"""Search pipeline for words and photos: match, fuse the rankings, personalise the top, build the page."""

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from listings import queries
from listings.errors import Invalid
from listings.models import Actor, Listing
from ml.arrays import Rows, Vector
from ml.ranking.blending import blend
from ml.ranking.rank_fusion import FusedRanking, reciprocal_rank
from recommendations.models.feature_names import SOURCES as TASTE_SOURCES
from recommendations.query_parsing.parsed_query import parse_query
from recommendations.query_parsing.understanding import QueryPart
from recommendations.ranking import photo_duplicates
from recommendations.ranking.scoring import source_weights_for
from recommendations.replica import follower
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval.candidates import score_rows
from recommendations.retrieval.filters import Filters
from recommendations.search.highlighting import Highlight, highlight
from recommendations.search.hints import EmptyResultHint, hint_for
from recommendations.search.matching import PreparedQuery, Rankings, count_by_root, prepare_query
from recommendations.slates.results import Item, Page
from recommendations.taste.profile import UserProfile, read_profile

# Weight of each ranking in the fusion. Vectors find listings that use other words. At weight 1 they harm the
# search for exact words: MRR on real adverts is .835, against .860 at .25 and .859 without vectors. The user
# profile only reorders listings that match about equally well.
FUSION_WEIGHTS = {"words": 1.0, "vectors": 0.25, "photo": 1.0, "newest": 1.0, "taste": 0.5}
MAXIMUM_OFFSET = 1000  # greatest offset of a page
RERANKED = 200  # fused listings that are reranked by the user profile
# Sources that do not depend on the actor are left out: their scores change between two pages.
PERSONAL = np.array([source not in {"trending", "fresh", "popularity"} for source in TASTE_SOURCES])


class EmptyQuery(Invalid):
    def __init__(self):
        super().__init__("Send words, a photo, or at least one filter.")


@dataclass(frozen=True)
class SearchItem(Item):
    """A listing that was found. `scores` are the parts that each ranking adds to its score."""

    highlight: Highlight | None = None


@dataclass(frozen=True)
class SearchPage(Page):
    """A page of search results, with what was made of the query."""

    words: str = ""  # the words that were searched, spelling corrected
    understood: tuple[QueryPart, ...] = ()  # parts of the query that became filters
    mended: dict[str, str] = field(default_factory=dict)  # misspelt word -> its correction
    facets: dict[str, int] = field(default_factory=dict)  # root category -> number of matches
    hint: EmptyResultHint | None = None  # for an empty result
    next_offset: int | None = None


def search(
    *,
    words: str = "",
    photo: bytes | None = None,
    filters: Filters,
    actor: Actor | None = None,
    understand: bool = True,
    mend: bool = True,
    personalised: bool = True,
    limit: int,
    offset: int = 0,
    now: datetime,
) -> SearchPage:
    """Listings for sale that match words, a photo or filters, best first. Filters alone: the newest first.

    photo: a file that listings.photos.processing.check has checked. The offset counts ranks, and the same
    query gives the same order. Copies of one photo are folded into one item after the page is cut, so a page
    may be shorter than its limit. Raises EmptyQuery, NoSuchCategory, BadPhoto; for a photo without words also
    EncoderUnreachable and ReplicaNotReady.
    """
    query = parse_query(words, filters, understanding=understand, mending=mend)
    if query.is_empty and photo is None:
        raise EmptyQuery
    question = prepare_query(query, photo=photo, actor=actor)
    rankings = question.match(query.filters)
    if personalised and actor is not None:
        rankings |= _by_taste_of(actor, rankings, question.snapshot, now=now)
    order = fuse(rankings)
    return SearchPage(
        items=_items(order, list(rankings), question, slice(offset, offset + limit)),
        degraded=_degraded(question, rankings),
        words=query.words,
        understood=query.understood,
        mended=query.mended,
        facets=_facets(question, query.filters, rankings),
        hint=None if len(order.rows) else hint_for(question, query),
        next_offset=_next_offset(offset + limit, length=len(order.rows)),
    )


def _next_offset(offset: int, *, length: int) -> int | None:
    """The offset of the next page; None where the results end, or beyond MAXIMUM_OFFSET."""
    return offset if offset < length and offset <= MAXIMUM_OFFSET else None


def fuse(rankings: Rankings) -> FusedRanking:
    """One order of the listings of all rankings, by reciprocal rank fusion; `rows` are keys of listings."""
    return reciprocal_rank(list(rankings.values()), np.array([FUSION_WEIGHTS[source] for source in rankings]))


def _by_taste_of(
    actor: Actor, rankings: Rankings, snapshot: CatalogueSnapshot | None, *, now: datetime
) -> Rankings:
    """The top of the fused listings, ordered by the user profile, as one more ranking. It adds no listing."""
    if snapshot is None or not any(len(ranking) for ranking in rankings.values()):
        return {}
    profile = read_profile(actor, snapshot, now=now)
    if not len(profile.listing_ids):
        return {}
    top = fuse(rankings).rows[:RERANKED]
    preference = _preference(top, profile, snapshot, now=now)
    return {"taste": top[np.argsort(-preference, kind="stable")]}


def _preference(
    listing_ids: Rows, profile: UserProfile, snapshot: CatalogueSnapshot, *, now: datetime
) -> Vector:
    """Blended score of each listing for this actor: (m,) -> (m,) float32

    A listing that no source knows gets the median score.
    """
    rows = snapshot.rows_of(listing_ids)
    scores = np.full((len(rows), len(TASTE_SOURCES)), np.nan, np.float32)
    scores[rows >= 0] = score_rows(snapshot, profile, rows[rows >= 0], now=now)
    preference = blend(scores, source_weights_for(profile, snapshot.blend) * PERSONAL)
    known = preference[~np.isnan(preference)]
    return np.nan_to_num(preference, nan=float(np.median(known)) if len(known) else 0.0)


def _items(
    order: FusedRanking, sources: list[str], question: PreparedQuery, window: slice
) -> list[SearchItem]:
    """The listings of this window that are still active, those that show the same photo folded into one."""
    ids = order.rows[window].tolist()
    rank_of = {pk: window.start + position for position, pk in enumerate(ids)}

    def item_of(listing: Listing) -> SearchItem:
        parts = zip(sources, order.parts[rank_of[listing.pk]].tolist(), strict=True)
        return SearchItem(
            listing,
            round(float(order.score[rank_of[listing.pk]]), 6),
            {source: None if np.isnan(part) else round(part, 6) for source, part in parts},
            highlight=highlight(question.words, listing.title, listing.description),
        )

    items = [item_of(listing) for listing in queries.first_visible(ids, len(ids))]
    return photo_duplicates.fold_copies(items, question.snapshot)


def _facets(question: PreparedQuery, filters: Filters, rankings: Rankings) -> dict[str, int]:
    """Root category -> number of matches in it, most first. The category filter is left out.

    Counts the listings of `Question.matching`.
    """
    everywhere = replace(filters, category=None)
    if everywhere != filters:
        rankings = question.match(everywhere)
    return count_by_root(question.matching(everywhere, rankings))


def _degraded(question: PreparedQuery, rankings: Rankings) -> list[str]:
    """Names of the parts that these rankings lack or that are outdated."""
    used = {"catalogue"} if question.encoded else set()
    used |= {"catalogue", "collaborative"} if "taste" in rankings else set()
    return sorted({*question.degraded, *(used & set(follower.degraded()))})
