"""What might be shown: the best of each source, merged into one value."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ml.arrays import Matrix, Rows, pack_mask
from recommendations.taste import Taste
from recommendations.view import View

SOURCES = ("content", "collaborative", "trending", "fresh")
PER_SOURCE = 200
FRESH_HALF_LIFE = timedelta(days=3)


@dataclass(frozen=True)
class Candidates:
    """Rows of the view with what each source thinks of them.

    rows (n,) int64, each once; scores (n, len(SOURCES)) float32, NaN where a source does not know a row.
    """

    rows: Rows
    scores: Matrix


def gather(view: View, taste: Taste, allowed: np.ndarray, *, now: datetime) -> Candidates:
    """The union of what each source proposes among the allowed rows, scored by all of them.

    allowed (rows,) bool.
    """
    proposed = [
        _by_content(view, taste, allowed),
        _by_collaborative(view, taste, allowed),
        _hottest(view, allowed),
        _newest(view, allowed),
    ]
    rows = np.unique(np.concatenate(proposed))
    scores = [
        _content_scores(view, taste, rows),
        _collaborative_scores(view, taste, rows),
        _trending_scores(view, rows),
        _fresh_scores(view, rows, now),
    ]
    return Candidates(rows, np.column_stack(scores).astype(np.float32))


def _by_content(view: View, taste: Taste, allowed: np.ndarray) -> Rows:
    found = [view.nearest(interest, PER_SOURCE, allowed)[0] for interest in taste.interests]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _content_scores(view: View, taste: Taste, rows: Rows) -> np.ndarray:
    """The nearest interest speaks: a mean over interests would be near to none of them."""
    if not len(taste.interests):
        return np.full(len(rows), np.nan)
    vectors = view.vectors(rows)
    nearness = [view.comparison.scores(interest, vectors) for interest in taste.interests]
    return np.max(np.array(nearness) * np.sqrt(taste.interest_weights)[:, None], axis=0)


def _by_collaborative(view: View, taste: Taste, allowed: np.ndarray) -> Rows:
    """Retrieved from the index of item factors: scoring every item costs more than the rest of a request."""
    model = view.collaborative
    if model is None or taste.factors is None:
        return np.empty(0, np.int64)
    known = allowed & (view.items >= 0)
    live_items = np.zeros(model.index.count, bool)
    live_items[view.items[known]] = True
    found, _ = model.index.search(
        taste.factors[None, :], min(PER_SOURCE, model.index.count), pack_mask(live_items)
    )
    items = found[0][found[0] >= 0]
    rows = view.rows_of(model.listing_ids[items])
    return rows[rows >= 0]


def _collaborative_scores(view: View, taste: Taste, rows: Rows) -> np.ndarray:
    scores = np.full(len(rows), np.nan, np.float32)
    if view.collaborative is None or taste.factors is None:
        return scores
    items = view.items[rows]
    known = items >= 0
    scores[known] = view.collaborative.als.item_factors[items[known]] @ taste.factors
    return scores


def _hottest(view: View, allowed: np.ndarray) -> Rows:
    warm = np.flatnonzero(allowed & (view.trending > 0))
    return warm[_largest(view.trending[warm], PER_SOURCE)]


def _trending_scores(view: View, rows: Rows) -> np.ndarray:
    return np.sqrt(view.trending[rows])  # the hottest is many times hotter than the second


def _newest(view: View, allowed: np.ndarray) -> Rows:
    rows = np.flatnonzero(allowed)
    return rows[_largest(view.attributes["created_at"][rows], PER_SOURCE)]


def _fresh_scores(view: View, rows: Rows, now: datetime) -> np.ndarray:
    age_s = np.maximum(now.timestamp() - view.attributes["created_at"][rows], 0)
    return 0.5 ** (age_s / FRESH_HALF_LIFE.total_seconds())


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Positions of the largest values, unordered."""
    return np.arange(len(values)) if len(values) <= count else np.argpartition(-values, count)[:count]
