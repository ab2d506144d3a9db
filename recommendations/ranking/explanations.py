"""Reasons for the listings of a feed: a code stored with the slate, a sentence, and evidence.

The evidence is the listings that the actor touched and that contributed most, of those nearest in the
category tree. A listing that is like nothing the actor touched has no such reason.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from ml.arrays import Matrix, Rows, Vector
from recommendations.models.events import Interaction
from recommendations.models.feature_names import FEATURES, SOURCES
from recommendations.popularity.impression_counts import YOUNG
from recommendations.ranking.exploration import ExploredOrder
from recommendations.ranking.scoring import Ranked
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval.nearby import RADIUS_KM
from recommendations.slates.results import SENTENCES, Reason, ReasonCode
from recommendations.taste.category_paths import paths_of
from recommendations.taste.profile import UserProfile

EVIDENCE = 3  # listings named as evidence, at most

WITH_EVIDENCE = {
    ReasonCode.BECAUSE_YOU_VIEWED: "Because you {did} “{title}”",
    ReasonCode.PEOPLE_ALSO_LIKED: "People who liked “{title}” also liked this",
}
# What an actor did with a listing, by the kind of their strongest event with it.
DEEDS: dict[str, str] = {
    Interaction.Kind.FAVOURITE: "saved",
    Interaction.Kind.MESSAGE: "asked about",
    Interaction.Kind.OFFER: "made an offer for",
    Interaction.Kind.PURCHASE: "bought",
}
VIEWED = "viewed"
LEAST_LIKENESS = 0.2  # of evidence that shares no more than the root category with a listing
# The sources behind each reason. MORE is for a listing to which none of them contributes.
SOURCES_OF_CODE = {
    ReasonCode.BECAUSE_YOU_VIEWED: ("content", "affinity"),
    ReasonCode.PEOPLE_ALSO_LIKED: ("collaborative", "covisitation"),
    ReasonCode.TRENDING: ("trending", "popularity"),
    ReasonCode.NEAR_YOU: ("place",),
    ReasonCode.NEW: ("fresh",),
}
NEARBY = {ReasonCode.TRENDING: ReasonCode.TRENDING_NEARBY, ReasonCode.NEW: ReasonCode.NEW_NEAR_YOU}


def reason_codes(
    ranked: Ranked, explored: ExploredOrder, boosted: np.ndarray, related: np.ndarray | None = None
) -> list[str]:
    """The code of each listing in order: (m,)

    Explored listings come first, then boosted ones; the others have the reason whose sources contribute most
    to the blended score. boosted (n,) bool, for each ranked listing. related (n,) bool: those for which the
    actor's own events may be a reason, as `related` finds them; None: all.
    """
    shares = np.nan_to_num(ranked.shares[explored.order])  # (m, s)
    contributed = np.column_stack(
        [shares[:, [SOURCES.index(name) for name in names]].sum(axis=1) for names in SOURCES_OF_CODE.values()]
    )
    features = ranked.features[explored.order]
    is_old = features[:, FEATURES.index("age_days")] > YOUNG / timedelta(days=1)
    contributed[is_old, list(SOURCES_OF_CODE).index(ReasonCode.NEW)] = 0
    # Popularity gives a new listing the prior's click rate: that is no sign that anybody likes it.
    is_untouched = ~(features[:, FEATURES.index("trending")] > 0)
    contributed[is_untouched, list(SOURCES_OF_CODE).index(ReasonCode.TRENDING)] = 0
    is_near = features[:, FEATURES.index("distance_km")] <= RADIUS_KM
    contributed[~is_near, list(SOURCES_OF_CODE).index(ReasonCode.NEAR_YOU)] = 0
    if related is not None:
        for code in WITH_EVIDENCE:
            contributed[~related[explored.order], list(SOURCES_OF_CODE).index(code)] = 0
    largest = np.array(list(SOURCES_OF_CODE))[np.argmax(contributed, axis=1)]
    plain = np.where(contributed.max(axis=1, initial=0) <= 0, ReasonCode.MORE, largest).tolist()
    chosen = [NEARBY.get(code, code) if near else code for code, near in zip(plain, is_near, strict=True)]
    for place in np.flatnonzero(boosted[explored.order]):
        chosen[place] = ReasonCode.BOOSTED
    for place in explored.places:
        chosen[place] = ReasonCode.EXPLORING
    return [str(code) for code in chosen]


def related(snapshot: CatalogueSnapshot, profile: UserProfile, rows: Rows) -> np.ndarray:
    """Whether the actor touched a listing of the same root category: (n,) -> (n,) bool"""
    roots = paths_of(snapshot.attributes["category_id"][rows])[:, 0]
    return np.isin(roots, paths_of(profile.touched.categories)[:, 0])


def explain(
    snapshot: CatalogueSnapshot, profile: UserProfile, listing_ids: Sequence[int], codes: Sequence[str]
) -> list[Reason | None]:
    """The reason of each listing by its code, with evidence from what the actor touched.

    The same profile and snapshot give the same evidence. None for a code of another release.
    """
    rows = snapshot.rows_of(np.array(listing_ids, np.int64))
    evidence = _evidence(snapshot, profile, rows, codes)
    kinds = dict(zip(profile.listing_ids.tolist(), profile.kinds, strict=False))
    names = profile.names  # of listings that are or were for sale; others stay private
    return [
        _reason(
            code if own or not is_own else ReasonCode.MORE,
            [(*names[pk], kinds.get(pk, "")) for pk in own if pk in names],
        )
        for code, own, is_own in zip(codes, evidence, _needs_evidence(profile, rows, codes), strict=True)
    ]


def _needs_evidence(profile: UserProfile, rows: Rows, codes: Sequence[str]) -> list[bool]:
    """Whether a code is untrue of a row without evidence. Of a row that is gone nothing is known."""
    known = (rows >= 0) & bool(len(profile.listing_ids))
    return [code in WITH_EVIDENCE and is_known for code, is_known in zip(codes, known.tolist(), strict=True)]


def _reason(code: str, evidence: list[tuple[str, str, str]]) -> Reason | None:
    """evidence: external id, title and kind of event of each listing, the strongest first."""
    if code not in SENTENCES:
        return None
    known_code = ReasonCode(code)
    if not evidence or known_code not in WITH_EVIDENCE:
        return Reason(known_code, SENTENCES[known_code])
    _, title, kind = evidence[0]
    sentence = WITH_EVIDENCE[known_code].format(title=title, did=DEEDS.get(kind, VIEWED))
    return Reason(known_code, sentence, tuple(external_id for external_id, *_ in evidence))


def _evidence(
    snapshot: CatalogueSnapshot, profile: UserProfile, rows: Rows, codes: Sequence[str]
) -> list[list[int]]:
    """For each row the ids of the touched listings that contributed most, at most EVIDENCE.

    They come from the row's own category if any was touched there, else from as low a category as possible
    that holds both. Those with which it shares only the root category must be like it.
    """
    evidence: list[list[int]] = [[] for _ in codes]
    places = np.flatnonzero((rows >= 0) & np.isin(np.array(codes, object), list(WITH_EVIDENCE)))
    if not len(places) or not len(profile.listing_ids):
        return evidence
    vectors = snapshot.vectors(rows[places]).astype(np.float32)  # (p, d)
    assert profile.vectors is not None  # a profile with listings has their vectors
    likeness = np.nan_to_num(snapshot.comparison.likeness(profile.vectors, vectors), nan=-np.inf)  # (m, p)
    depth = _shared_depth(snapshot, profile, rows[places])
    is_near = (depth == depth.max(axis=0)) & ((depth > 1) | (depth == 1) & (likeness >= LEAST_LIKENESS))
    for column, place in enumerate(places.tolist()):
        near, contributions = is_near[:, column], likeness[:, column]
        if codes[place] != ReasonCode.BECAUSE_YOU_VIEWED:
            contributions = _contributions(snapshot, profile, int(rows[place]), vectors[[column]])
            near = near & (contributions > 0)
        evidence[place] = _strongest(profile, contributions, near)
    return evidence


def _shared_depth(snapshot: CatalogueSnapshot, profile: UserProfile, rows: Rows) -> np.ndarray:
    """How far the category path of each touched listing is that of each row: (p,) -> (m, p) int, 0 to 3"""
    own = paths_of(snapshot.attributes["category_id"][rows])
    return (paths_of(profile.touched.categories)[:, None, :] == own).sum(axis=2)


def _strongest(profile: UserProfile, contributions: Vector, is_near: np.ndarray) -> list[int]:
    """Ids of the touched listings with the greatest contributions (m,) of those that are near (m,) bool."""
    order = np.argsort(-contributions, kind="stable")
    return [int(profile.listing_ids[place]) for place in order if is_near[place]][:EVIDENCE]


def _contributions(snapshot: CatalogueSnapshot, profile: UserProfile, row: int, vector: Matrix) -> Vector:
    """What each touched listing adds to the collaborative score of a row: (m,) float32, NaN = unknown."""
    contributions = np.full(len(profile.listing_ids), np.nan, np.float32)
    model, target = snapshot.collaborative, _factors(snapshot, row, vector)
    if model is None or target is None:
        return contributions
    items: Rows = model.items_of(profile.listing_ids)
    known = items >= 0
    contributions[known] = model.contributions(items[known], profile.weights[known], target)
    return contributions


def _factors(snapshot: CatalogueSnapshot, row: int, vector: Matrix) -> Vector | None:
    """The item factors of a row, or those that its content predicts; None without a model or a prior."""
    item, model = int(snapshot.items[row]), snapshot.collaborative
    if model is not None and item >= 0:
        return model.als.item_factors[item]
    return None if snapshot.prior is None else snapshot.prior.factors(vector)[0]
