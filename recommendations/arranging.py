"""From a ranking to the order that is shown: without repeats, with variety."""

import numpy as np

from ml.arrays import Rows
from ml.diversity import WINDOW, Cap, diversify
from recommendations import slates
from recommendations.feed_parameters import FeedParameters
from recommendations.ranking import Ranked
from recommendations.view import View

WINDOWS = slates.LONGEST // WINDOW


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
    own = view.attributes[ranked.rows]
    sellers, categories = _numbered(own["seller_id"]), _numbered(own["category_id"])
    # No more of one than the caps let a whole slate have: or one seller with many would be all of it.
    has_room = _nth(sellers) < parameters.seller_cap * WINDOWS
    has_room &= _nth(categories) < parameters.category_cap * WINDOWS
    chosen = _best(has_room, np.zeros(len(has_room), bool) if kept is None else kept)
    rows = ranked.rows[chosen]
    lowest = np.nanmin(ranked.score, initial=0.0) - 1  # below all that anything is known of
    order = diversify(
        np.nan_to_num(ranked.score[chosen], nan=lowest),
        view.comparison.weighted(view.vectors(rows).astype(np.float32)),
        limit=slates.LONGEST,
        caps=[
            Cap(sellers[chosen], parameters.seller_cap),
            Cap(categories[chosen], parameters.category_cap),
        ],
        duplicates=None if duplicates is None else duplicates[chosen],
        relevance_share=parameters.relevance_share,
    )
    return chosen[order]


def _best(has_room: np.ndarray, is_kept: np.ndarray) -> Rows:
    """Positions of as many as a slate holds: those that are kept, then what has room, then the others."""
    order = np.lexsort((~has_room, ~is_kept))
    return np.sort(order[: slates.LONGEST])


def _nth(groups: Rows) -> Rows:
    """How many of its group stand before each: (n,) int64, groups numbered from 0 -> (n,) int64"""
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(groups))])
    nth = np.empty(len(groups), np.int64)
    nth[order] = np.arange(len(groups)) - starts[groups[order]]
    return nth


def _numbered(ids: np.ndarray) -> Rows:
    return np.unique(ids, return_inverse=True)[1]
