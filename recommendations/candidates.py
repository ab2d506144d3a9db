"""What might be shown: the best of each source, merged into one value."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ml.arrays import Matrix, Rows, Vector, pack_mask
from recommendations import affinity, nearby
from recommendations.exposure import NOTHING_SHOWN, Counted
from recommendations.facts import facts_of
from recommendations.habits import Here
from recommendations.measured import observe_candidates
from recommendations.taste import Taste
from recommendations.view import View

SOURCES = (
    "content",
    "collaborative",
    "covisitation",
    "trending",
    "fresh",
    "place",
    "affinity",
    "popularity",
)
PER_SOURCE = 200
NEAREST = 100  # of what is near, and of what is trending near
LENDERS = 200  # live listings whose co-visitation scores are spread to those that nobody has touched
FRESH_HALF_LIFE = timedelta(days=3)


@dataclass(frozen=True)
class Candidates:
    """Rows of the view with what each source thinks of them.

    rows (n,) int32, each once; scores (n, len(SOURCES)) float32, NaN where a source does not know a row;
    facts (n, len(FACTS)) float32, NaN = unknown.
    """

    rows: Rows
    scores: Matrix
    facts: Matrix


def gather(
    view: View,
    taste: Taste,
    allowed: np.ndarray,
    *,
    now: datetime,
    at: Here | None = None,
    here: Here | None = None,
    shown: Counted = NOTHING_SHOWN,
    also: Rows | None = None,
) -> Candidates:
    """What the sources propose among the allowed rows (rows,) bool, scored by all of them.

    at: where they say that they are. here: that, or where they usually look. shown: what was counted of
    impressions. also: rows that are to be among them.
    """
    rows = propose(view, taste, allowed, here=here)
    if also is not None:
        rows = np.union1d(rows, also).astype(np.int32)
    scores = score_rows(view, taste, rows, now=now, at=at, shown=shown)
    return Candidates(rows, scores, facts_of(view, taste, rows, now=now, here=here))


def propose(view: View, taste: Taste, allowed: np.ndarray, *, here: Here | None = None) -> Rows:
    """The union of the best of each source.

    allowed (rows,) bool, without dead rows -> (n,) int32, sorted.
    """
    proposed = {
        "content": [view.nearest(interest, PER_SOURCE, allowed)[0] for interest in taste.interests],
        "collaborative": [_by_factors(view, taste, allowed), _by_prior(view, taste, allowed)],
        "covisitation": [
            _most_covisited(view, taste, allowed, PER_SOURCE),
            _by_smoother(view, taste, allowed),
        ],
        "trending": [_hottest(view, allowed)],
        "fresh": [view.newest(PER_SOURCE, allowed)],
        "place": _around(view, here, allowed),
    }
    observe_candidates({source: sum(map(len, rows)) for source, rows in proposed.items()})
    return np.unique(np.concatenate([part for rows in proposed.values() for part in rows])).astype(np.int32)


def score_rows(
    view: View,
    taste: Taste,
    rows: Rows,
    *,
    now: datetime,
    at: Here | None = None,
    shown: Counted = NOTHING_SHOWN,
) -> Matrix:
    """What each source thinks of these rows, whoever proposed them, one row's score whatever the others are.

    rows (n,) int -> (n, len(SOURCES)) float32, NaN where a source does not know a row.
    """
    scores = [
        *_taste_scores(view, taste, rows),
        _trending_scores(view, rows),
        _fresh_scores(view, rows, now),
        taste.habits.place_scores(view, rows, at),
        affinity.scores(taste.touched, view, rows),
        shown.popularity(view.attributes["listing_id"][rows]),
    ]
    return np.column_stack(scores).astype(np.float32)


def _around(view: View, here: Here | None, allowed: np.ndarray) -> list[Rows]:
    """What is near, and what is trending near."""
    if here is None:
        return []
    return [
        nearby.nearest(view, here, allowed, NEAREST),
        nearby.hottest(view, here, allowed, NEAREST),
    ]


def _taste_scores(view: View, taste: Taste, rows: Rows) -> list[np.ndarray]:
    """By content, collaborative, covisitation: what has to do with who asks."""
    if not len(taste.listing_ids):
        return [np.full(len(rows), np.nan)] * 3
    vectors = view.vectors(rows).astype(np.float32)  # (n, d): read and widened once for all three
    return [
        _content_scores(view, taste, vectors),
        _collaborative_scores(view, taste, rows, vectors),
        _covisitation_scores(view, taste, rows, vectors),
    ]


def _content_scores(view: View, taste: Taste, vectors: Matrix) -> np.ndarray:
    """The nearest interest speaks: a mean over interests would be near to none of them."""
    if not len(taste.interests):
        return np.full(len(vectors), np.nan)
    nearness = (
        view.comparison.likeness(taste.interests, vectors) * np.sqrt(taste.interest_weights)[:, None]
    )  # (i, n)
    return np.fmax.reduce(nearness)


def _by_factors(view: View, taste: Taste, allowed: np.ndarray) -> Rows:
    """Retrieved from the index of item factors: scoring every item costs more than the rest of a request."""
    model = view.collaborative
    if model is None or taste.factors is None:
        return _none()
    known = allowed & (view.items >= 0)
    live_items = np.zeros(model.index.count, bool)
    live_items[view.items[known]] = True
    found, _ = model.index.search(
        taste.factors[None, :], min(PER_SOURCE, model.index.count), pack_mask(live_items)
    )
    items = found[0][found[0] >= 0]
    rows = view.rows_of(model.listing_ids[items])
    return rows[rows >= 0]


def _by_prior(view: View, taste: Taste, allowed: np.ndarray) -> Rows:
    """Of what nobody touched before the model was trained: what people like this actor are to like."""
    if view.prior is None or taste.factors is None:
        return _none()
    question, _ = view.prior.question(taste.factors)
    return view.propose(question, PER_SOURCE, allowed & (view.items < 0))


def _collaborative_scores(view: View, taste: Taste, rows: Rows, vectors: Matrix) -> np.ndarray:
    scores = np.full(len(rows), np.nan, np.float32)
    if view.collaborative is None or taste.factors is None:
        return scores
    items = view.items[rows]
    known = items >= 0
    scores[known] = view.collaborative.als.item_factors[items[known]] @ taste.factors
    if view.prior is not None:
        question, offset = view.prior.question(taste.factors)
        scores[~known] = vectors[~known] @ question + offset
    return scores


def _most_covisited(view: View, taste: Taste, allowed: np.ndarray, count: int) -> Rows:
    """Where people who touched the same went on to; nothing that nobody went on to."""
    if taste.covisited is None:
        return _none()
    votes = taste.covisited[view.items]  # (rows,); an unknown row, -1, reads the last item's and is masked
    rows = np.flatnonzero((votes > 0) & (view.items >= 0) & allowed)
    return rows[_largest(votes[rows], count)]


def _covisitation_scores(view: View, taste: Taste, rows: Rows, vectors: Matrix) -> np.ndarray:
    scores = np.full(len(rows), np.nan, np.float32)
    if taste.covisited is None:
        return scores
    items = view.items[rows]
    known = items >= 0
    scores[known] = taste.covisited[items[known]]
    question = _smoothed_question(view, taste)
    if question is not None:
        scores[~known] = vectors[~known] @ question
    return scores


def _by_smoother(view: View, taste: Taste, allowed: np.ndarray) -> Rows:
    """Of what nobody touched before the model was trained: what is like where people went on to."""
    question = _smoothed_question(view, taste)
    return _none() if question is None else view.propose(question, PER_SOURCE, allowed & (view.items < 0))


def _smoothed_question(view: View, taste: Taste) -> Vector | None:
    """What to ask the vectors of listings that the model does not know: (d,) float32

    From the live listings with the highest co-visitation scores, where filters hide them, too. A ridge
    regression draws its answers towards 0: they are stretched until the lenders' own are as large as what
    these really score, or what nobody has touched would stand behind all that anybody has.
    """
    if view.smoother is None or taste.covisited is None:
        return None
    lenders = _most_covisited(view, taste, view.alive, LENDERS)
    vectors, scores = view.vectors(lenders).astype(np.float32), taste.covisited[view.items[lenders]]
    question = view.smoother.question(vectors, scores)
    answered = float(np.linalg.norm(vectors @ question))
    return question * (float(np.linalg.norm(scores)) / answered) if answered > 0 else question


def _hottest(view: View, allowed: np.ndarray) -> Rows:
    warm = np.flatnonzero(allowed & (view.trending > 0))
    return warm[_largest(view.trending[warm], PER_SOURCE)]


def _trending_scores(view: View, rows: Rows) -> np.ndarray:
    return np.sqrt(view.trending[rows])  # the hottest is many times hotter than the second


def _fresh_scores(view: View, rows: Rows, now: datetime) -> np.ndarray:
    age_s = np.maximum(now.timestamp() - view.attributes["created_at"][rows], 0)
    return 0.5 ** (age_s / FRESH_HALF_LIFE.total_seconds())


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Positions of the largest values, unordered."""
    return np.arange(len(values)) if len(values) <= count else np.argpartition(-values, count)[:count]


def _none() -> Rows:
    return np.empty(0, np.int64)
