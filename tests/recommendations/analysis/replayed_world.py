"""A synthetic world, where a policy can be run to find out what it really earns."""

from datetime import timedelta

import numpy as np

from listings.announcing import catalogue_transaction
from listings.models import Actor
from ml.ranking.exploration import Prior, explore
from recommendations.models.events import Interaction
from tests import factories
from tests.recommendations.logged_feeds import columns, followed, logged

LENGTH, PLACES = 12, [4, 9]


POOL = [4, 6, 7, 8, 9, 11]


WEIGHTS = {"content": 0.2, "fresh": 1.0}


BY_CONTENT = {"parameters": {"source_weights": {"content": 10, "fresh": 0}}}


class World:
    """Feeds that are ordered by what is fresh, while people go by content.

    Two places are filled from a pool of six, by draws that know something of what is clicked: so the mean of
    what was drawn is not what anything else would earn.
    """

    def __init__(self, seller, now, *, slate_count=350, seed=1, **parameters) -> None:
        rng = np.random.default_rng(seed)
        actors = [Actor.objects.create(external_id=f"world-{number}") for number in range(60)]
        with catalogue_transaction():
            ids = [factories.listing(seller, f"Sofa {number}").pk for number in range(LENGTH)]
        self.truth = {"content": [], "blend": []}  # chances of a click, had the slots been filled by these
        events = []
        for number in range(slate_count):
            actor, at = actors[number % len(actors)], now - timedelta(hours=slate_count - number)
            content, fresh = rng.normal(size=(2, LENGTH))
            for name, values in (("content", content), ("blend", blended(content, fresh))):
                best = sorted(POOL, key=lambda row: -values[row])[:2]
                pairs = zip(best, PLACES, strict=True)
                self.truth[name] += [chance(content[row], place) for row, place in pairs]
            content, fresh, propensities = self._filled(content, fresh, rng)
            features = columns(LENGTH, content=content, fresh=fresh, blend=blended(content, fresh))
            recorded = {"explored": {"places": PLACES, "pool": POOL}, "weights": WEIGHTS} | parameters
            slate = logged(actor, ids, features, at=at, propensities=propensities, **recorded)
            for place in range(LENGTH):
                if rng.random() < chance(content[place], place):
                    events.append(followed(slate, actor, ids[place], at))
        Interaction.objects.bulk_create(events)

    def _filled(self, content, fresh, rng):
        """Move two listings of the pool into the places at random; the others move up."""
        clicks = np.clip(np.round(4 - 0.3 * content[POOL]), 0, 9).astype(np.int64)
        drawn = explore(np.full(6, 12), clicks, Prior(1, 3), rng, slot_count=2, round_count=200)
        chosen = [POOL[row] for row in drawn.rows]
        others = [row for row in POOL if row not in chosen]
        order = np.arange(LENGTH)
        order[PLACES] = chosen
        order[[place for place in POOL if place not in PLACES]] = others
        propensities = np.ones(LENGTH, np.float32)
        propensities[PLACES] = drawn.propensities
        return content[order], fresh[order], propensities

    def earns(self, by: str) -> float:
        return float(np.mean(self.truth[by]))


def chance(content: float, place: int) -> float:
    """The probability of a click."""
    return 0.9 / (1 + np.exp(1 - 3 * content)) / (1 + place) ** 0.3


def blended(content: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """The blend score that listings are ordered by."""
    z = {"content": (content - content.mean()) / content.std(), "fresh": (fresh - fresh.mean()) / fresh.std()}
    return sum(WEIGHTS[name] * z[name] for name in WEIGHTS) / sum(WEIGHTS.values())
