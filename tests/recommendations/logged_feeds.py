"""Feed slates as the feed logs them, with the events that follow, in synthetic worlds."""

import itertools
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import numpy as np

from listings.announcing import catalogue_transaction
from listings.models import Actor
from ml.ranking.lambdarank import CLICK, NO_INTERACTION, Boosting, RankerModel, Slates, fit
from ml.ranking.position_bias import examination_probability
from recommendations.models.events import Interaction
from recommendations.models.feature_names import FEATURES
from recommendations.slates import store
from recommendations.slates.store import SlateDraft
from tests import factories

NAMES = (*FEATURES, "score")
_numbers = itertools.count(1)


def columns(count: int, **known: Iterable[float]) -> np.ndarray:
    """(count, len(NAMES)) float32 with these columns, NaN elsewhere; the score is the blend unless given."""
    features = np.full((count, len(NAMES)), np.nan, np.float32)
    if "blend" in known:
        known = {"score": known["blend"]} | known
    for name, values in known.items():
        features[:, NAMES.index(name)] = values
    return features


def logged(
    actor: Actor | None,
    listing_ids: list[int],
    features: np.ndarray,
    *,
    at: datetime,
    names: tuple[str, ...] = NAMES,
    pages: Iterable[tuple[int, int]] | None = None,
    propensities: np.ndarray | None = None,
    surface: str = "feed",
    **parameters,
) -> str:
    """Write a slate and serve all of it, or the given pages (offset, count). Returns its id."""
    count = len(listing_ids)
    draft = SlateDraft(
        surface=surface,
        actor=actor,
        listing_ids=listing_ids,
        feature_names=names,
        features=features,
        propensities=np.ones(count, np.float32) if propensities is None else propensities,
        reasons=["because_you_viewed"] * count,
        seed=0,
        parameters=parameters,
    )
    slate = store.write(draft, now=at)
    for offset, length in [(0, count)] if pages is None else pages:
        store.log_impression(slate, offset=offset, count=length, now=at)
    return slate


def followed(
    slate: str, actor: Actor, listing_id: int, at: datetime, *, kind: str = "click", source: str = "tests"
) -> Interaction:
    """An unsaved event that names a slate."""
    return Interaction(
        source=source,
        event_id=f"followed-{next(_numbers)}",
        actor=actor,
        listing_id=listing_id,
        kind=kind,
        slate=slate,
        occurred_at=at,
    )


def ranker_by(feature: str) -> RankerModel:
    """A few trees that score by one feature alone, increasing."""
    rng = np.random.default_rng(2)
    features = np.full((1200, len(FEATURES)), np.nan, np.float32)
    features[:, FEATURES.index(feature)] = rng.normal(size=1200)
    liked = features[:, FEATURES.index(feature)] + 0.3 * rng.normal(size=1200) > 0.5
    shown = Slates(
        features, np.where(liked, CLICK, NO_INTERACTION), np.full(120, 10), np.ones(1200, np.float32)
    )
    quick = Boosting(learning_rate=0.2, leaves=7, least_rows_in_leaf=20, most_trees=30, patience=10)
    return fit(shown, shown, feature_names=FEATURES, monotone={}, seed=0, thread_count=1, boosting=quick)


class Crowd:
    """Shoppers who are served feeds over ten days, in the order of their blend.

    blend is known of each listing, and so are affinity and distance_km, of which the blend knows nothing;
    `appeal` says from the three how likely a click is on what is looked at.
    """

    def __init__(
        self,
        seller: Actor,
        now: datetime,
        *,
        appeal: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
        slate_count: int = 300,
        length: int = 12,
        position_bias: float = 0.5,
        explored: int = 0,
        seed: int = 3,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.actors = [Actor.objects.create(external_id=f"crowd-{number}") for number in range(25)]
        with catalogue_transaction():
            self.listing_ids = [factories.listing(seller, f"Sofa {number}").pk for number in range(length)]
        self.drawn: list[np.ndarray] = []  # what was logged of each slate, (length, len(NAMES))
        events = []
        for number in range(slate_count):
            at = now - timedelta(days=10) * (1 - number / slate_count)
            blend, affinity = rng.normal(size=(2, length))
            distance = rng.exponential(20, length)
            order = np.argsort(-blend)
            parameters = {}
            if explored:  # by chance, all alike, at the last places
                places = np.arange(length - explored, length)
                order[places] = rng.permutation(order[places])
                parameters = {"explored": {"places": places.tolist(), "pool": places.tolist()}}
            blend, affinity, distance = blend[order], affinity[order], distance[order]
            features = columns(length, blend=blend, affinity=affinity, distance_km=distance)
            self.drawn.append(features)
            actor = self.actors[number % len(self.actors)]
            ids = [self.listing_ids[row] for row in order]
            slate = logged(actor, ids, features, at=at, **parameters)
            chances = appeal(blend, affinity, distance) * examination_probability(
                np.arange(length), position_bias
            )
            for place in np.flatnonzero(rng.random(length) < chances):
                events.append(followed(slate, actor, ids[place], at + timedelta(minutes=1)))
        Interaction.objects.bulk_create(events)


def taste_for_affinity(blend: np.ndarray, affinity: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Shoppers want listings that the blend ranks low."""
    return 0.6 / (1 + np.exp(1 - 3 * affinity))


def no_taste(blend: np.ndarray, affinity: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Shoppers click at random."""
    return np.full(len(blend), 0.2)


def taste_for_the_blend(blend: np.ndarray, affinity: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """What comes first is what people want: no other order is better."""
    return 0.6 / (1 + np.exp(1 - 3 * blend))


def taste_for_far_away(blend: np.ndarray, affinity: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Shoppers prefer distant listings, against the ranker's monotone constraint."""
    return 0.6 / (1 + np.exp(2 - distance / 15))
