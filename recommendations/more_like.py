"""More like these listings, less like those."""

from collections.abc import Sequence

import numpy as np

from listings.errors import Invalid
from listings.models import Listing
from ml.arrays import Matrix, Rows
from ml.contrast import contrast
from ml.interests import choose_interests
from recommendations import copies, replica
from recommendations.filters import Filters, allowed_rows
from recommendations.pages import Item, Page
from recommendations.taste import INTERESTS, vectors_of
from recommendations.view import View

MOST_NAMED = 50  # of each kind
PROPOSED = 200  # by each interest: enough remain when what is like the negative ones falls behind


class UnknownListings(Invalid):
    def __init__(self, external_ids: Sequence[str]):
        super().__init__(f"There is no listing {', '.join(map(repr, external_ids))}.")


class NothingPositive(Invalid):
    def __init__(self):
        super().__init__("Name at least one listing to find more like it.", field="positive")


class BothWays(Invalid):
    def __init__(self, external_ids: Sequence[str]):
        super().__init__(
            f"Both wanted and not wanted: {', '.join(map(repr, external_ids))}.", field="negative"
        )


def more_like(*, positive: Sequence[str], negative: Sequence[str], filters: Filters, limit: int) -> Page:
    """Listings near to a positive one and not to a negative one (`ml.contrast`), those named left out.

    positive and negative: external ids; what was sold speaks too. One that has no vector yet says nothing,
    and `degraded` says so.
    Raises NothingPositive, BothWays, UnknownListings, NoSuchCategory, NotReady.
    """
    liked_ids, disliked_ids = _keys_of(positive, negative)
    view = replica.view()
    (liked, all_liked), (disliked, all_disliked) = _known(liked_ids, view), _known(disliked_ids, view)
    allowed = allowed_rows(view, filters, without=frozenset([*liked_ids, *disliked_ids]))
    scores = _judged(view, _propose(view, liked, allowed), liked, disliked)

    def item_of(found: Listing) -> Item:
        score, *parts = scores[found.pk]
        return Item(found, score, dict(zip(("positive", "negative"), parts, strict=True)))

    degraded = [] if all_liked and all_disliked else ["not_embedded_yet"]
    return Page(copies.first_grouped(list(scores), limit, item_of, view), degraded)


def _keys_of(positive: Sequence[str], negative: Sequence[str]) -> tuple[list[int], list[int]]:
    """Keys of the listings that are or were on the market: drafts are nobody's business."""
    if not positive:
        raise NothingPositive
    if both := sorted(set(positive) & set(negative)):
        raise BothWays(both)
    named = list(dict.fromkeys([*positive, *negative]))
    public = Listing.objects.filter(external_id__in=named, status__in=Listing.PUBLIC)
    keys = dict(public.values_list("external_id", "pk"))
    if unknown := [external_id for external_id in named if external_id not in keys]:
        raise UnknownListings(unknown)
    return tuple([keys[external_id] for external_id in dict.fromkeys(ids)] for ids in (positive, negative))


def _known(listing_ids: list[int], view: View) -> tuple[Matrix, bool]:
    """Vectors (m, d) float32 of those that have one, and whether all have."""
    vectors, known = vectors_of(np.array(listing_ids, np.int64), view)
    return vectors[known].astype(np.float32), bool(known.all())


def _propose(view: View, liked: Matrix, allowed: np.ndarray) -> Rows:
    """Allowed rows near to a few of these (p, d) that stand for all: (m,) int64, each once."""
    if not len(liked):
        return np.empty(0, np.int64)
    chosen = choose_interests(view.comparison.weighted(liked), np.ones(len(liked), np.float32), INTERESTS)
    return np.unique(np.concatenate([view.nearest(liked[one], PROPOSED, allowed)[0] for one in chosen]))


def _judged(
    view: View, rows: Rows, liked: Matrix, disliked: Matrix
) -> dict[int, tuple[float, float | None, float | None]]:
    """Key of each listing, best first -> its score, its nearness to a positive and to a negative one."""
    vectors = view.vectors(rows).astype(np.float32)
    near = view.comparison.likeness(liked, vectors)  # (p, n)
    near_unwanted = view.comparison.likeness(disliked, vectors)  # (q, n)
    score = contrast(near, near_unwanted)
    nearest = [np.fmax.reduce(likeness, axis=0, initial=np.nan) for likeness in (near, near_unwanted)]
    order = np.argsort(-score, kind="stable")
    columns = np.column_stack([score, *nearest])[order[~np.isnan(score[order])]]
    ids = view.attributes["listing_id"][rows[order]][: len(columns)].tolist()
    return {pk: tuple(map(_shown, row)) for pk, row in zip(ids, columns.tolist(), strict=True)}


def _shown(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
