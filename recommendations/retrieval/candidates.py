"""Candidates of the feed: the best rows of each source, scored by all sources."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ml.arrays import Matrix, Rows, Vector, pack_mask
from recommendations.core.process_metrics import observe_candidates
from recommendations.popularity.impression_counts import NO_IMPRESSIONS, ImpressionCounts
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval import nearby
from recommendations.retrieval.context_features import context_features_of
from recommendations.taste import affinity
from recommendations.taste.location import Location
from recommendations.taste.profile import UserProfile

PER_SOURCE = 200
NEAREST = 100  # each, of the nearest rows and of the trending rows nearby
# Rows that each query of a feed is compared with, whatever the size of the catalogue. Of 100,000 listings
# this finds .92 of the nearest hundred, in a fifth of the time of .97.
COMPARED = 8192
LENDERS = 200  # live listings from which co-visitation scores are spread to cold-start listings
FRESH_HALF_LIFE = timedelta(days=3)


@dataclass(frozen=True)
class Candidates:
    """Rows of the snapshot with their features.

    rows (n,) int32, each once; scores (n, len(SOURCES)) float32, NaN where a source does not know a row;
    facts (n, len(CONTEXT_FEATURES)) float32, NaN = unknown.
    """

    rows: Rows
    scores: Matrix
    facts: Matrix


def gather(
    snapshot: CatalogueSnapshot,
    profile: UserProfile,
    allowed: np.ndarray,
    *,
    now: datetime,
    stated_location: Location | None = None,
    location: Location | None = None,
    shown: ImpressionCounts = NO_IMPRESSIONS,
    also: Rows | None = None,
) -> Candidates:
    """The rows that the sources propose among the allowed ones (rows,) bool, scored by all sources.

    stated_location: where the caller says the actor is. location: the same, or where the actor usually
    looks. shown: impression counts. also: rows to add to the proposed ones.
    """
    rows = propose(snapshot, profile, allowed, location=location)
    if also is not None:
        rows = np.union1d(rows, also).astype(np.int32)
    scores = score_rows(snapshot, profile, rows, now=now, stated_location=stated_location, shown=shown)
    return Candidates(rows, scores, context_features_of(snapshot, profile, rows, now=now, location=location))


def propose(
    snapshot: CatalogueSnapshot,
    profile: UserProfile,
    allowed: np.ndarray,
    *,
    location: Location | None = None,
) -> Rows:
    """The union of the best rows of each source.

    allowed (rows,) bool, without dead rows -> (n,) int32, sorted.
    """
    proposed = {
        "content": [_like(snapshot, _content_queries(snapshot, profile), allowed)],
        "collaborative": [_by_factors(snapshot, profile, allowed), _by_prior(snapshot, profile, allowed)],
        "covisitation": [
            _most_covisited(snapshot, profile, allowed, PER_SOURCE),
            _covisited_by_content(snapshot, profile, allowed),
        ],
        "trending": [_most_trending(snapshot, allowed)],
        "fresh": [snapshot.newest(PER_SOURCE, allowed)],
        "place": _nearby(snapshot, location, allowed),
    }
    observe_candidates({source: sum(map(len, rows)) for source, rows in proposed.items()})
    return np.unique(np.concatenate([part for rows in proposed.values() for part in rows])).astype(np.int32)


def score_rows(
    snapshot: CatalogueSnapshot,
    profile: UserProfile,
    rows: Rows,
    *,
    now: datetime,
    stated_location: Location | None = None,
    shown: ImpressionCounts = NO_IMPRESSIONS,
) -> Matrix:
    """The score of each row from every source. It does not depend on the other rows.

    rows (n,) int -> (n, len(SOURCES)) float32, NaN where a source does not know a row.
    """
    # Read once for all sources that need them: the conversion takes longer than a product.
    has_touched = bool(len(profile.listing_ids))
    vectors = snapshot.vectors(rows if has_touched else rows[:0]).astype(np.float32)  # (n or 0, d)
    scores = [
        *_profile_scores(snapshot, profile, rows, vectors),
        _trending_scores(snapshot, rows),
        _fresh_scores(snapshot, rows, now),
        profile.location_profile.place_scores(snapshot, rows, stated_location),
        affinity.scores(profile.touched, snapshot, rows, vectors),
        shown.popularity(snapshot.attributes["listing_id"][rows]),
    ]
    return np.column_stack(scores).astype(np.float32)


def _nearby(snapshot: CatalogueSnapshot, location: Location | None, allowed: np.ndarray) -> list[Rows]:
    """The nearest rows, and the trending ones nearby."""
    if location is None:
        return []
    return [
        nearby.nearest(snapshot, location, allowed, NEAREST),
        nearby.most_trending(snapshot, location, allowed, NEAREST),
    ]


def _profile_scores(
    snapshot: CatalogueSnapshot, profile: UserProfile, rows: Rows, vectors: Matrix
) -> list[np.ndarray]:
    """Scores of content, collaborative and covisitation, the sources that need a user profile."""
    if not len(profile.listing_ids):
        return [np.full(len(rows), np.nan)] * 3
    return [
        _content_scores(snapshot, profile, vectors),
        _collaborative_scores(snapshot, profile, rows, vectors),
        _covisitation_scores(snapshot, profile, rows, vectors),
    ]


def _like(snapshot: CatalogueSnapshot, queries: Matrix, allowed: np.ndarray) -> Rows:
    """Rows whose vectors are nearest to each query (q, d) float32: unordered, with repetitions."""
    return snapshot.propose(queries, PER_SOURCE, allowed, compared=COMPARED)


def _content_queries(snapshot: CatalogueSnapshot, profile: UserProfile) -> Matrix:
    """Queries for the index that find listings like each interest: (q, d) float32"""
    queries = [snapshot.comparison.queries(interest) for interest in profile.interests]
    return np.concatenate([np.empty((0, snapshot.dimension), np.float32), *queries])


def _content_scores(snapshot: CatalogueSnapshot, profile: UserProfile, vectors: Matrix) -> np.ndarray:
    """Likeness to the nearest interest, since a mean of the interests would be near none of them."""
    if not len(profile.interests):
        return np.full(len(vectors), np.nan)
    likeness = snapshot.comparison.likeness(profile.interests, vectors)  # (i, n)
    return np.fmax.reduce(likeness * np.sqrt(profile.interest_weights)[:, None])


def _by_factors(snapshot: CatalogueSnapshot, profile: UserProfile, allowed: np.ndarray) -> Rows:
    """The rows with the highest collaborative scores, from the index of item factors.

    Scoring every item would cost more than the rest of a request.
    """
    model = snapshot.collaborative
    if model is None or profile.factors is None:
        return _none()
    known = allowed & (snapshot.items >= 0)
    live_items = np.zeros(model.index.count, bool)
    live_items[snapshot.items[known]] = True
    nearest, _ = model.index.search(
        profile.factors[None, :], min(PER_SOURCE, model.index.count), pack_mask(live_items)
    )
    items = nearest[0][nearest[0] >= 0]
    rows = snapshot.rows_of(model.listing_ids[items])
    return rows[rows >= 0]


def _by_prior(snapshot: CatalogueSnapshot, profile: UserProfile, allowed: np.ndarray) -> Rows:
    """Cold-start rows, unknown to the model, with the highest scores that the content prior predicts."""
    if snapshot.prior is None or profile.factors is None:
        return _none()
    query, _ = snapshot.prior.query(profile.factors)
    return _like(snapshot, query[None, :], allowed & (snapshot.items < 0))


def _collaborative_scores(
    snapshot: CatalogueSnapshot, profile: UserProfile, rows: Rows, vectors: Matrix
) -> np.ndarray:
    scores = np.full(len(rows), np.nan, np.float32)
    if snapshot.collaborative is None or profile.factors is None:
        return scores
    items = snapshot.items[rows]
    known = items >= 0
    scores[known] = snapshot.collaborative.als.item_factors[items[known]] @ profile.factors
    if snapshot.prior is not None:
        query, offset = snapshot.prior.query(profile.factors)
        scores[~known] = vectors[~known] @ query + offset
    return scores


def _most_covisited(
    snapshot: CatalogueSnapshot, profile: UserProfile, allowed: np.ndarray, count: int
) -> Rows:
    """The rows with the highest co-visitation scores above 0, at most `count`, unordered."""
    if profile.covisited is None:
        return _none()
    assert snapshot.collaborative is not None  # the profile has its scores
    items = np.flatnonzero(profile.covisited > 0)
    rows = snapshot.rows_of(snapshot.collaborative.listing_ids[items])
    possible = np.flatnonzero(rows >= 0)
    possible = possible[allowed[rows[possible]]]
    return rows[possible[_largest(profile.covisited[items[possible]], count)]]


def _covisitation_scores(
    snapshot: CatalogueSnapshot, profile: UserProfile, rows: Rows, vectors: Matrix
) -> np.ndarray:
    scores = np.full(len(rows), np.nan, np.float32)
    if profile.covisited is None:
        return scores
    items = snapshot.items[rows]
    known = items >= 0
    scores[known] = profile.covisited[items[known]]
    query = _smoothed_query(snapshot, profile)
    if query is not None:
        scores[~known] = vectors[~known] @ query
    return scores


def _covisited_by_content(snapshot: CatalogueSnapshot, profile: UserProfile, allowed: np.ndarray) -> Rows:
    """Cold-start rows, unknown to the model, whose content is like that of co-visited listings."""
    query = _smoothed_query(snapshot, profile)
    if query is None:
        return _none()
    return _like(snapshot, query[None, :], allowed & (snapshot.items < 0))


def _smoothed_query(snapshot: CatalogueSnapshot, profile: UserProfile) -> Vector | None:
    """Weights (d,) float32 that predict a co-visitation score from the embedding of a cold-start listing.

    They are fitted to the live listings with the highest co-visitation scores (the lenders), including those
    that filters exclude. A ridge regression shrinks its predictions towards 0, which would rank every
    cold-start listing behind all others, so they are scaled until those for the lenders are as large as the
    lenders' real scores.
    """
    if snapshot.smoother is None or profile.covisited is None:
        return None
    lenders = _most_covisited(snapshot, profile, snapshot.alive, LENDERS)
    vectors, scores = snapshot.vectors(lenders).astype(np.float32), profile.covisited[snapshot.items[lenders]]
    query = snapshot.smoother.query(vectors, scores)
    predicted = float(np.linalg.norm(vectors @ query))
    return query * (float(np.linalg.norm(scores)) / predicted) if predicted > 0 else query


def _most_trending(snapshot: CatalogueSnapshot, allowed: np.ndarray) -> Rows:
    return snapshot.hottest[allowed[snapshot.hottest]][:PER_SOURCE]


def _trending_scores(snapshot: CatalogueSnapshot, rows: Rows) -> np.ndarray:
    return np.sqrt(snapshot.trending[rows])  # the first count is many times the second


def _fresh_scores(snapshot: CatalogueSnapshot, rows: Rows, now: datetime) -> np.ndarray:
    age_s = np.maximum(now.timestamp() - snapshot.attributes["created_at"][rows], 0)
    return 0.5 ** (age_s / FRESH_HALF_LIFE.total_seconds())


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Positions of the largest values, unordered."""
    return np.arange(len(values)) if len(values) <= count else np.argpartition(-values, count)[:count]


def _none() -> Rows:
    return np.empty(0, np.int64)
