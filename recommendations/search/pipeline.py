"""Search pipeline for words and photos: match, fuse the rankings, personalise the top, build the page."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.db.models import QuerySet

from listings import queries
from listings.errors import Invalid
from listings.models import Actor, Listing
from ml.arrays import Rows, Vector
from ml.ranking.blending import blend
from ml.ranking.rank_fusion import FusedRanking, reciprocal_rank
from recommendations.models.feature_names import SOURCES as TASTE_SOURCES
from recommendations.query_parsing.parsed_query import ParsedQuery, parse_query
from recommendations.query_parsing.understanding import QueryPart
from recommendations.ranking import photo_duplicates
from recommendations.ranking.scoring import source_weights_for
from recommendations.replica import follower
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval.candidates import score_rows
from recommendations.retrieval.filters import Filters
from recommendations.search import facets, fulltext
from recommendations.search.facets import Facets
from recommendations.search.highlighting import Highlight, highlight
from recommendations.search.hints import EmptyResultHint, hint_for
from recommendations.search.matching import DEPTH, Matches, PreparedQuery, Rankings, prepare_query
from recommendations.search.sorting import Sort, sorted_ids
from recommendations.slates.results import Item, Page
from recommendations.taste.profile import UserProfile, read_profile

# Weight of each ranking in the fusion. Vectors find listings that use other words. At weight 1 they harm the
# search for exact words: MRR on real adverts is .835, against .860 at .25 and .859 without vectors. The user
# profile only reorders listings that match about equally well.
FUSION_WEIGHTS = {"words": 1.0, "vectors": 0.25, "photo": 1.0, "newest": 1.0, "taste": 0.5}
FUSION_WEIGHTS |= {"distance": 0.3, "price": 1.0, "-price": 1.0}
MAXIMUM_OFFSET = 1000  # greatest offset of a page
MAXIMUM_TOTAL = DEPTH  # matches are counted up to here
SPARE = 10  # ranks beyond the page that are read for those folded into one
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
    offered: dict[str, str] = field(default_factory=dict)  # rare word -> a frequent word near it
    unread: tuple[str, ...] = ()  # parts of the query that could not be read
    facets: dict[str, int] = field(default_factory=dict)  # root category -> number of matches
    facet_counts: Facets = field(default_factory=Facets)
    total: int = 0  # matches; exact below MAXIMUM_TOTAL
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
    sort: Sort = Sort.RELEVANCE,
    limit: int,
    offset: int = 0,
    now: datetime,
) -> SearchPage:
    """Listings for sale that match words, a photo or filters, best first. Filters alone: the newest first.

    sort: with any but relevance, only what supports all words is shown, if anything does.
    photo: a file that listings.photos.processing.check has checked. The offset counts ranks, and the same
    query gives the same order. Copies of one photo on a page are folded into one item. Raises EmptyQuery,
    NoSuchCategory, BadPhoto; for a photo without words also EncoderUnreachable and ReplicaNotReady.
    """
    query = _read(words, filters, understand=understand, mend=mend, now=now)
    if query.is_empty and photo is None:
        raise EmptyQuery
    question = prepare_query(query, photo=photo, actor=actor, now=now)
    matches = question.match(query.filters)
    rankings = _rankings(question, query.filters, matches, sort, actor if personalised else None)
    order = fuse(rankings)
    counts = _facets(question, query.filters, matches)
    items, end = _items(order, list(rankings), question, offset, limit)
    return SearchPage(
        items=items,
        degraded=_degraded(question, rankings),
        words=query.words,
        understood=query.understood,
        mended=query.mended,
        offered=query.offered,
        unread=query.unread,
        facets=counts.roots,
        facet_counts=counts,
        total=_total(question, query.filters, matches),
        hint=None if len(order.rows) else hint_for(question, query),
        next_offset=_next_offset(end, length=len(order.rows)),
    )


def _read(words: str, filters: Filters, *, understand: bool, mend: bool, now: datetime) -> ParsedQuery:
    """The parsed query. Corrections that find nothing whole are only offered; the words stay as written."""
    query = parse_query(words, filters, understanding=understand, mending=mend, now=now)
    if query.mended and not fulltext.is_said(query.wording, now=now):
        return query.as_written()
    return query


def _next_offset(offset: int, *, length: int) -> int | None:
    """The offset of the next page; None where the results end, or beyond MAXIMUM_OFFSET."""
    return offset if offset < length and offset <= MAXIMUM_OFFSET else None


def fuse(rankings: Rankings) -> FusedRanking:
    """One order of the listings of all rankings, by reciprocal rank fusion; `rows` are keys of listings."""
    return reciprocal_rank(list(rankings.values()), np.array([FUSION_WEIGHTS[source] for source in rankings]))


def _rankings(
    question: PreparedQuery, filters: Filters, matches: Matches, sort: Sort, actor: Actor | None
) -> Rankings:
    """The sort's, or those of the matches with the actor's taste and the distance where these are known."""
    if sort is not Sort.RELEVANCE:
        return {sort.value: _sorted(question, filters, matches, sort)}
    rankings = matches.rankings
    if actor is not None:
        rankings = rankings | _by_taste_of(actor, rankings, question.snapshot, now=question.now)
    return rankings | _by_distance(rankings, filters)


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
    order: FusedRanking, sources: list[str], question: PreparedQuery, offset: int, limit: int
) -> tuple[list[SearchItem], int]:
    """Up to `limit` active listings from this offset on, and the offset where the next page begins.

    Listings that show the same photo are folded into one, and the page takes in more ranks until it is full.
    """
    end = offset + limit + SPARE
    found = _active(order, sources, question, offset, end)
    items = photo_duplicates.fold_copies(found, question.snapshot)
    while len(items) < limit and end < len(order.rows):
        start, end = end, end + 2 * limit + SPARE
        found += _active(order, sources, question, start, end)
        items = photo_duplicates.fold_copies(found, question.snapshot)
    if len(items) <= limit:
        return items, min(end, len(order.rows))
    rank_of = {pk: rank for rank, pk in enumerate(order.rows[offset:end].tolist(), start=offset)}
    end = min(rank_of[item.listing.pk] for item in items[limit:])
    kept = [item for item in items[:limit] if rank_of[item.listing.pk] < end]
    return kept, end


def _active(
    order: FusedRanking, sources: list[str], question: PreparedQuery, start: int, end: int
) -> list[SearchItem]:
    """The listings of these ranks that are still active."""
    ids = order.rows[start:end].tolist()
    rank_of = {pk: start + position for position, pk in enumerate(ids)}

    def item_of(listing: Listing) -> SearchItem:
        parts = zip(sources, order.parts[rank_of[listing.pk]].tolist(), strict=True)
        return SearchItem(
            listing,
            round(float(order.score[rank_of[listing.pk]]), 6),
            {source: None if np.isnan(part) else round(part, 6) for source, part in parts},
            highlight=highlight(question.words, listing.title, listing.description),
        )

    return [item_of(listing) for listing in queries.first_visible(ids, len(ids))]


def _sorted(question: PreparedQuery, filters: Filters, matches: Matches, sort: Sort) -> Rows:
    """Ids of the matches in the order of a sort, (n,) int64."""
    listings = question.matching(filters, matches)
    if len(matches.whole):
        listings = listings.filter(pk__in=matches.whole.tolist())
    return sorted_ids(listings, sort, filters, DEPTH)


def _by_distance(rankings: Rankings, filters: Filters) -> Rankings:
    """The top of the fused listings, nearest first, as one more ranking, where a location is stated."""
    if filters.stated_location is None or not any(len(ranking) for ranking in rankings.values()):
        return {}
    top = Listing.objects.filter(pk__in=fuse(rankings).rows[:RERANKED].tolist(), latitude__isnull=False)
    return {"distance": sorted_ids(top, Sort.NEAREST, filters, RERANKED)}


def _facets(question: PreparedQuery, filters: Filters, matches: Matches) -> Facets:
    """Counts of the listings of `PreparedQuery.matching`."""

    def matching(within: Filters) -> QuerySet[Listing]:
        return question.matching(within, matches if within == filters else question.match(within))

    return facets.count(filters, matching)


def _total(question: PreparedQuery, filters: Filters, matches: Matches) -> int:
    """The number of matches, at most MAXIMUM_TOTAL."""
    if question.words or question.has_photo:
        return min(len(matches.ids), MAXIMUM_TOTAL)
    return question.matching(filters, matches).order_by()[:MAXIMUM_TOTAL].count()


def _degraded(question: PreparedQuery, rankings: Rankings) -> list[str]:
    """Names of the parts that these rankings lack or that are outdated."""
    used = {"catalogue"} if question.encoded else set()
    used |= {"catalogue", "collaborative"} if "taste" in rankings else set()
    return sorted({*question.degraded, *(used & set(follower.degraded()))})
