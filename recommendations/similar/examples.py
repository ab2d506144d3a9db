"""Search by example: listings similar to positive examples and dissimilar to negative ones."""

from collections.abc import Sequence

import numpy as np

from listings.errors import Invalid
from listings.models import Listing
from ml.arrays import Matrix, Rows
from ml.ranking.interests import choose_interests
from ml.ranking.positive_negative import positive_negative_scores
from recommendations.ranking import photo_duplicates
from recommendations.replica import follower
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval.filters import Filters, allowed_rows
from recommendations.slates.results import Item, Page
from recommendations.taste.profile import MAX_INTERESTS, vectors_of

MOST_NAMED = 50  # of each kind
PROPOSED = 200  # candidates of each interest: enough remain after the negative examples push some back


class UnknownListings(Invalid):
    def __init__(self, external_ids: Sequence[str]) -> None:
        super().__init__(f"There is no listing {', '.join(map(repr, external_ids))}.", field="positive")


class NoPositiveExamples(Invalid):
    def __init__(self) -> None:
        super().__init__("Name at least one listing to find more like it.", field="positive")


class ConflictingExamples(Invalid):
    def __init__(self, external_ids: Sequence[str]) -> None:
        super().__init__(
            f"Both wanted and not wanted: {', '.join(map(repr, external_ids))}.", field="negative"
        )


def recommend_by_examples(
    *, positive: Sequence[str], negative: Sequence[str], filters: Filters, limit: int
) -> Page:
    """Listings near a positive example and not near a negative one, without the examples.

    The method is `ml.ranking.positive_negative`.

    positive and negative: external ids, also of listings that were sold. An example without a vector is
    left out, and `degraded` says so; so is an unknown one beside known ones, and `notes` name it.
    Raises NoPositiveExamples, ConflictingExamples, UnknownListings, NoSuchCategory, ReplicaNotReady.
    """
    keys = _keys_of(positive, negative)
    positive_ids, negative_ids = (_known(ids, keys) for ids in (positive, negative))
    snapshot = follower.snapshot()
    positives, all_positive = _known_vectors(positive_ids, snapshot)
    negatives, all_negative = _known_vectors(negative_ids, snapshot)
    allowed = allowed_rows(snapshot, filters, excluded_listings=frozenset([*positive_ids, *negative_ids]))
    scores = _scored(snapshot, _candidates(snapshot, positives, allowed), positives, negatives)

    def item_of(listing: Listing) -> Item:
        score, *parts = scores[listing.pk]
        return Item(listing, score, dict(zip(("positive", "negative"), parts, strict=True)))

    degraded = [] if all_positive and all_negative else ["not_embedded_yet"]
    items = photo_duplicates.first_folded(list(scores), limit, item_of, snapshot)
    return Page(items, degraded, notes=_notes({"positive": positive, "negative": negative}, keys))


def _keys_of(positive: Sequence[str], negative: Sequence[str]) -> dict[str, int]:
    """Keys of the known examples of both kinds. Drafts are unknown: they are not public."""
    if not positive:
        raise NoPositiveExamples
    if both := sorted(set(positive) & set(negative)):
        raise ConflictingExamples(both)
    named = list(dict.fromkeys([*positive, *negative]))
    public = Listing.objects.filter(external_id__in=named, status__in=Listing.PUBLIC)
    keys = dict(public.values_list("external_id", "pk"))
    if not _known(positive, keys):
        raise UnknownListings(list(dict.fromkeys(positive)))
    return keys


def _known(external_ids: Sequence[str], keys: dict[str, int]) -> list[int]:
    """The keys of those that are known, each once."""
    return [keys[external_id] for external_id in dict.fromkeys(external_ids) if external_id in keys]


def _notes(named: dict[str, Sequence[str]], keys: dict[str, int]) -> list[str]:
    """Which examples were passed over, by the place where they were named."""
    return [
        f"{field}.{place}: there is no listing {external_id!r}."
        for field, external_ids in named.items()
        for place, external_id in enumerate(external_ids)
        if external_id not in keys
    ]


def _known_vectors(listing_ids: list[int], snapshot: CatalogueSnapshot) -> tuple[Matrix, bool]:
    """Vectors (m, d) float32 of the listings that have one, and whether all have."""
    vectors, known = vectors_of(np.array(listing_ids, np.int64), snapshot)
    return vectors[known].astype(np.float32), bool(known.all())


def _candidates(snapshot: CatalogueSnapshot, positives: Matrix, allowed: np.ndarray) -> Rows:
    """Allowed rows near the few positives (p, d) that represent all of them: (m,) int64, each once."""
    if not len(positives):
        return np.empty(0, np.int64)
    weights = np.ones(len(positives), np.float32)
    interests = choose_interests(snapshot.comparison.weighted(positives), weights, MAX_INTERESTS)
    near = [snapshot.nearest(positives[interest], PROPOSED, allowed)[0] for interest in interests]
    return np.unique(np.concatenate(near))


def _scored(
    snapshot: CatalogueSnapshot, rows: Rows, positives: Matrix, negatives: Matrix
) -> dict[int, tuple[float, float | None, float | None]]:
    """Key of each listing, best first -> its score, and its similarity to the nearest of both kinds."""
    vectors = snapshot.vectors(rows).astype(np.float32)
    to_positives = snapshot.comparison.likeness(positives, vectors)  # (p, n)
    to_negatives = snapshot.comparison.likeness(negatives, vectors)  # (q, n)
    score = positive_negative_scores(to_positives, to_negatives)
    nearest = [np.fmax.reduce(part, axis=0, initial=np.nan) for part in (to_positives, to_negatives)]
    order = np.argsort(-score, kind="stable")
    columns = np.column_stack([score, *nearest])[order[~np.isnan(score[order])]]
    ids = snapshot.attributes["listing_id"][rows[order]][: len(columns)].tolist()
    return {
        pk: (round(score, 4), _rounded(to_positive), _rounded(to_negative))
        for pk, (score, to_positive, to_negative) in zip(ids, columns.tolist(), strict=True)
    }


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
