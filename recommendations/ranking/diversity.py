"""Diversity: the order that is shown, with caps per seller and category and without duplicate photos."""

from typing import Any

import numpy as np

from ml.arrays import Matrix, Rows, Vector
from ml.ranking.calibration import Calibration
from ml.ranking.diversity import WINDOW, Cap, diversify
from recommendations.models.feed_parameters import FeedParameters
from recommendations.ranking.scoring import Ranked
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.slates import store

WINDOWS = store.MAX_SLATE_LENGTH // WINDOW


def diversified_order(
    snapshot: CatalogueSnapshot,
    ranked: Ranked,
    parameters: FeedParameters,
    *,
    kept: np.ndarray | None = None,
    duplicates: Rows | None = None,
    calibration: Calibration | None = None,
) -> Rows:
    """The diversified order of the best listings: positions in `ranked`, (m <= MAX_SLATE_LENGTH,) int64.

    kept (n,) bool: positions that are included however low they rank. duplicates (n,) int, -1 = none: groups
    of which one listing is shown. calibration: how often each interest of the actor shall occur.
    """
    own = snapshot.attributes[ranked.rows]
    sellers, categories = _numbered(own["seller_id"]), _numbered(own["category_id"])
    # Per seller and category, no more than the caps allow in a slate: one seller could fill all of it.
    has_room = _nth(sellers) < parameters.seller_cap * WINDOWS
    has_room &= _nth(categories) < parameters.category_cap * WINDOWS
    is_due = np.ones(len(has_room), bool) if calibration is None else _due(calibration)
    chosen = _best(has_room, is_due, np.zeros(len(has_room), bool) if kept is None else kept)
    rows = ranked.rows[chosen]
    lowest = float(np.nanmin(ranked.score, initial=0.0) - 1)  # below every known score
    caps = [
        Cap(sellers[chosen], parameters.seller_cap),
        Cap(categories[chosen], parameters.category_cap),
    ]
    order = _arranged(
        np.nan_to_num(ranked.score[chosen], nan=lowest),
        snapshot.comparison.weighted(snapshot.vectors(rows).astype(np.float32)),
        caps=caps,
        duplicates=None if duplicates is None else duplicates[chosen],
        calibration=None if calibration is None else calibration.of(chosen),
        page_length=WINDOW - int(WINDOW * parameters.explore_share),
        relevance_share=parameters.relevance_share,
    )
    return chosen[order]


def _arranged(
    scores: Vector, vectors: Matrix, *, calibration: Calibration | None, page_length: int, **options: Any
) -> Rows:
    """The order of candidates. Calibration decides what is on the first page; relevance where it is there.

    page_length: places of the first page that are not filled by chance.
    """
    if calibration is None:
        return diversify(scores, vectors, limit=store.MAX_SLATE_LENGTH, **options)
    page = diversify(scores, vectors, limit=page_length, calibration=calibration, **options)
    by_relevance = page[np.argsort(-scores[page], kind="stable")].tolist()
    return diversify(
        scores, vectors, limit=store.MAX_SLATE_LENGTH, calibration=calibration, first=by_relevance, **options
    )


def _due(calibration: Calibration) -> np.ndarray:
    """Whether each candidate is among the best of its interest that its share of a slate allows: (n,) bool"""
    interests = calibration.memberships.argmax(axis=1)[calibration.kinds]
    quota = np.ceil(calibration.target * store.MAX_SLATE_LENGTH)
    return _nth(interests) < quota[interests]


def _best(has_room: np.ndarray, is_due: np.ndarray, is_kept: np.ndarray) -> Rows:
    """Positions for a slate, ascending: those to be kept first, then those within caps and shares, others."""
    order = np.lexsort((~is_due, ~has_room, ~is_kept))
    return np.sort(order[: store.MAX_SLATE_LENGTH])


def _nth(groups: Rows) -> Rows:
    """The number of members of its group before each position: (n,) int64, numbered from 0 -> (n,) int64"""
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(groups))])
    nth = np.empty(len(groups), np.int64)
    nth[order] = np.arange(len(groups)) - starts[groups[order]]
    return nth


def _numbered(ids: np.ndarray) -> Rows:
    return np.unique(ids, return_inverse=True)[1]
