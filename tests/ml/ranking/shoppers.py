"""Simulated shoppers, whose slates a ranker learns from."""

import numpy as np

from ml.ranking.lambdarank import (
    CLICK,
    NO_INTERACTION,
    Boosting,
    RankerModel,
    Slates,
    fit,
)
from ml.ranking.position_bias import examination_probability

NAMES = ("content", "previous_order", "distance_km")


SLATE = 20


QUICK = Boosting(learning_rate=0.1, leaves=7, least_rows_in_leaf=20, most_trees=60, patience=10)


class Shoppers:
    """Slates in an old order, whose listings shoppers click by merit, if they look at their place at all.

    `content` knows merit but roughly, `previous_order` hardly, and distance lowers it.
    """

    def __init__(self, seed: int, slate_count: int = 300, position_bias: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        shape = (slate_count, SLATE)
        content, distance = rng.standard_normal(shape), rng.exponential(10, shape)
        self.merit = content + 0.5 * rng.standard_normal(shape) - 0.1 * distance
        previous = 0.3 * self.merit + rng.standard_normal(shape)
        places = np.argsort(np.argsort(-previous, axis=1), axis=1)
        examined = examination_probability(places.ravel(), position_bias)
        clicked = rng.random(shape) < self.chances
        clicked &= rng.random(shape) < examined.reshape(shape)
        self.slates = Slates(
            features=np.stack([content, previous, distance], axis=-1).reshape(-1, 3).astype(np.float32),
            grades=np.where(clicked.ravel(), CLICK, NO_INTERACTION),
            sizes=np.full(slate_count, SLATE),
            examined=examined,
        )

    @property
    def chances(self) -> np.ndarray:
        """Of a click on what was looked at: (q, 20)"""
        return 1 / (1 + np.exp(1 - 2 * self.merit))

    def gained(self, scores: np.ndarray) -> float:
        """The NDCG of an order by true merit, without position bias."""
        discounts = 1 / np.log2(np.arange(SLATE) + 2)
        order = np.argsort(-scores.reshape(self.merit.shape), axis=1)
        reached = np.take_along_axis(self.chances, order, axis=1) @ discounts
        return float((reached / (-np.sort(-self.chances, axis=1) @ discounts)).mean())


def trained(training: Slates, validation: Slates, **changes) -> RankerModel:
    options = {
        "feature_names": NAMES,
        "monotone": {"distance_km": -1},
        "seed": 3,
        "thread_count": 1,
        "boosting": QUICK,
    }
    return fit(training, validation, **options | changes)
