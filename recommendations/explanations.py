"""Why each listing is shown: a code that is kept with the slate, a sentence, and what of theirs led to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import numpy as np

from listings.models import Listing
from ml.arrays import Matrix, Rows, Vector
from recommendations.candidates import SOURCES
from recommendations.exploring import Explored
from recommendations.exposure import YOUNG
from recommendations.features import FEATURES
from recommendations.nearby import RADIUS_KM
from recommendations.ranking import Ranked
from recommendations.taste import Taste
from recommendations.view import View

EVIDENCE = 3  # listings that are named at most


class Code(StrEnum):
    BECAUSE_YOU_VIEWED = "because_you_viewed"
    PEOPLE_ALSO_LIKED = "people_also_liked"
    TRENDING = "trending"
    TRENDING_NEARBY = "trending_nearby"
    NEW = "new"
    NEW_NEAR_YOU = "new_near_you"
    NEAR_YOU = "near_you"
    MORE = "more"
    EXPLORING = "exploring"
    BOOSTED = "boosted"


SENTENCES = {
    Code.BECAUSE_YOU_VIEWED: "Like what you viewed",
    Code.PEOPLE_ALSO_LIKED: "People who like the same liked this",
    Code.TRENDING: "Popular right now",
    Code.TRENDING_NEARBY: "Popular near you right now",
    Code.NEW: "Just listed",
    Code.NEW_NEAR_YOU: "Just listed near you",
    Code.NEAR_YOU: "Near where you look",
    Code.MORE: "More from this marketplace",
    Code.EXPLORING: "New here, and few have seen it yet",
    Code.BOOSTED: "Highlighted by the marketplace",
}
WITH_EVIDENCE = {
    Code.BECAUSE_YOU_VIEWED: "Because you viewed “{}”",
    Code.PEOPLE_ALSO_LIKED: "People who liked “{}” also liked this",
}
# Which sources speak for which reason; what none of them speaks for is MORE.
SPEAK_FOR = {
    Code.BECAUSE_YOU_VIEWED: ("content", "affinity"),
    Code.PEOPLE_ALSO_LIKED: ("collaborative", "covisitation"),
    Code.TRENDING: ("trending", "popularity"),
    Code.NEAR_YOU: ("place",),
    Code.NEW: ("fresh",),
}
NEARBY = {Code.TRENDING: Code.TRENDING_NEARBY, Code.NEW: Code.NEW_NEAR_YOU}


@dataclass(frozen=True)
class Reason:
    """evidence: external ids of listings that the actor touched, the one that says most first."""

    code: Code
    sentence: str
    evidence: tuple[str, ...] = ()


def codes(ranked: Ranked, explored: Explored, boosted: np.ndarray) -> list[str]:
    """The code of each listing in order: (m,)

    Chance comes before all, then what staff highlight; else what adds most to the blended score.
    boosted (n,) bool, of what was ranked.
    """
    shares = np.nan_to_num(ranked.shares[explored.order])  # (m, s)
    spoken = np.column_stack(
        [shares[:, [SOURCES.index(name) for name in names]].sum(axis=1) for names in SPEAK_FOR.values()]
    )
    features = ranked.features[explored.order]
    is_old = features[:, FEATURES.index("age_days")] > YOUNG / timedelta(days=1)
    spoken[is_old, list(SPEAK_FOR).index(Code.NEW)] = 0
    # Who is new and was hardly shown is thought well of: that is no word of anybody.
    is_untouched = ~(features[:, FEATURES.index("trending")] > 0)
    spoken[is_untouched, list(SPEAK_FOR).index(Code.TRENDING)] = 0
    says_nothing = spoken.max(axis=1, initial=0) <= 0
    plain = np.where(says_nothing, Code.MORE, np.array(list(SPEAK_FOR))[np.argmax(spoken, axis=1)]).tolist()
    is_near = features[:, FEATURES.index("distance_km")] <= RADIUS_KM
    found = [NEARBY.get(code, code) if near else code for code, near in zip(plain, is_near, strict=True)]
    for place in np.flatnonzero(boosted[explored.order]):
        found[place] = Code.BOOSTED
    for place in explored.places:
        found[place] = Code.EXPLORING
    return [str(code) for code in found]


def explain(
    view: View, taste: Taste, listing_ids: Sequence[int], given: Sequence[str]
) -> list[Reason | None]:
    """The reason of each listing by its code, with evidence out of what the actor touched.

    The same taste and view give the same evidence. None for a code of another release.
    """
    rows = view.rows_of(np.array(listing_ids, np.int64))
    evidence = [_evidence(view, taste, int(row), code) for row, code in zip(rows, given, strict=True)]
    named = {pk for own in evidence for pk in own}
    known = {pk: (name, title) for pk, name, title in _names(named)} if named else {}
    return [
        _told(code, [known[pk] for pk in own if pk in known])
        for code, own in zip(given, evidence, strict=True)
    ]


def _told(code: str, evidence: list[tuple[str, str]]) -> Reason | None:
    if code not in SENTENCES:
        return None
    kind = Code(code)
    if not evidence or kind not in WITH_EVIDENCE:
        return Reason(kind, SENTENCES[kind])
    sentence = WITH_EVIDENCE[kind].format(evidence[0][1])
    return Reason(kind, sentence, tuple(name for name, _ in evidence))


def _names(listing_ids: set[int]):
    """Of those that are or were for sale: what was withdrawn, or never published, is nobody's business."""
    public = Listing.objects.filter(status__in=Listing.PUBLIC)
    return public.filter(pk__in=listing_ids).values_list("pk", "external_id", "title")


def _evidence(view: View, taste: Taste, row: int, code: str) -> list[int]:
    """Keys of the touched listings that speak most for a row."""
    if row < 0 or not len(taste.listing_ids):
        return []
    vector = view.vectors(np.array([row])).astype(np.float32)  # (1, d)
    if code == Code.BECAUSE_YOU_VIEWED:
        return _most(taste, view.comparison.likeness(taste.vectors, vector)[:, 0])
    if code == Code.PEOPLE_ALSO_LIKED:
        return _most(taste, _contributions(view, taste, row, vector))
    return []


def _most(taste: Taste, said: Vector) -> list[int]:
    """The touched listings (m,) that say most, of those that say anything; NaN says nothing."""
    order = np.argsort(-np.nan_to_num(said, nan=-np.inf), kind="stable")[:EVIDENCE]
    return [int(taste.listing_ids[place]) for place in order if said[place] > 0]


def _contributions(view: View, taste: Taste, row: int, vector: Matrix) -> Vector:
    """What each touched listing adds to the collaborative score of a row: (m,) float32, NaN = unknown."""
    model, said = view.collaborative, np.full(len(taste.listing_ids), np.nan, np.float32)
    target = _factors(view, row, vector)
    if model is None or target is None:
        return said
    items: Rows = model.items_of(taste.listing_ids)
    known = items >= 0
    said[known] = model.contributions(items[known], taste.weights[known], target)
    return said


def _factors(view: View, row: int, vector: Matrix) -> Vector | None:
    item = int(view.items[row])
    if item >= 0:
        return view.collaborative.als.item_factors[item]
    return None if view.prior is None else view.prior.factors(vector)[0]
