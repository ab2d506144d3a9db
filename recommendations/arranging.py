"""From a ranking to the order that is shown: without repeats, with variety."""

import numpy as np

from ml.arrays import Rows
from ml.diversity import Cap, diversify
from recommendations import slates
from recommendations.feed_parameters import FeedParameters
from recommendations.ranking import Ranked
from recommendations.view import View


def arrange(
    view: View,
    ranked: Ranked,
    parameters: FeedParameters,
    *,
    kept: np.ndarray | None = None,
    duplicates: Rows | None = None,
) -> Rows:
    """The order in which to show the best of what was ranked: positions in it, (m <= slates.LONGEST,) int64.

    kept (n,) bool: positions that are to be among them however low they rank. duplicates (n,) int, -1 = none:
    of those with the same number one is shown.
    """
    chosen = _best(ranked, kept)
    rows = ranked.rows[chosen]
    attributes = view.attributes[rows]
    lowest = np.nanmin(ranked.score, initial=0.0) - 1  # below all that anything is known of
    order = diversify(
        np.nan_to_num(ranked.score[chosen], nan=lowest),
        view.comparison.weighted(view.vectors(rows).astype(np.float32)),
        limit=slates.LONGEST,
        caps=[
            Cap(_numbered(attributes["seller_id"]), parameters.seller_cap),
            Cap(_numbered(attributes["category_id"]), parameters.category_cap),
        ],
        duplicates=None if duplicates is None else duplicates[chosen],
        relevance_share=parameters.relevance_share,
    )
    return chosen[order]


def _best(ranked: Ranked, kept: np.ndarray | None) -> Rows:
    """Positions of as many as a slate holds: those that are kept, and the first of the others."""
    is_kept = np.zeros(len(ranked.rows), bool) if kept is None else kept
    others = np.flatnonzero(~is_kept)[: max(slates.LONGEST - int(is_kept.sum()), 0)]
    return np.sort(np.concatenate([np.flatnonzero(is_kept), others]))[: slates.LONGEST]


def _numbered(ids: np.ndarray) -> Rows:
    return np.unique(ids, return_inverse=True)[1]
